from __future__ import annotations

import textwrap

import pytest

from auditor.source.facts import Call, FunctionFacts, Name
from auditor.source.parse import parse_module
from auditor.source.pieces import DEPTH, Kind, Piece, Place
from auditor.source.project import Project, link
from auditor.source.provenance import pieces_of

SINK = "sink"
"""What the samples give their text to; no table knows it."""


def _project(sources: dict[str, str]) -> Project:
    return link(
        parse_module(f"{name.replace('.', '/')}.py", name, textwrap.dedent(source).encode())
        for name, source in sources.items()
    )


def _sinks(function: FunctionFacts) -> list[Call]:
    return [
        event
        for event in function.events
        if isinstance(event, Call) and isinstance(event.func, Name) and event.func.name == SINK
    ]


def pieces(source: str, **modules: str) -> tuple[Piece, ...]:
    """The pieces of what the one `sink(...)` of the source is given; `modules` stand beside it."""
    project = _project({"app": source, **modules})
    found = [
        (function, call)
        for module, function in project.functions()
        if module.name == "app"
        for call in _sinks(function)
    ]
    [(function, call)] = found
    return pieces_of(Place(project, project.modules["app"], function), call.args[0])


def told(source: str, **modules: str) -> str:
    """Known text as it is, every hole as `{kind:source}`."""
    return "".join(
        piece.text
        if piece.kind is Kind.CONSTANT
        else f"{{{piece.kind.value}{':' if piece.source else ''}{piece.source}}}"
        for piece in pieces(source, **modules)
    )


def in_function(*lines: str, parameters: str = "value") -> str:
    body = "\n".join(f"    {line}" for line in lines)
    return f"def run({parameters}):\n{body}\n"


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["sink('a = 1')"], "a = 1"),
        (["sink(f'a = {value}')"], "a = {parameter:value}"),
        (["sink('a = %s' % value)"], "a = {parameter:value}"),
        (["sink('a = %(v)s' % {'v': value})"], "a = {parameter:value}"),
        (["sink('a = {}'.format(value))"], "a = {parameter:value}"),
        (["sink('a = {v}'.format(v=value))"], "a = {parameter:value}"),
        (["sink('a = ' + value)"], "a = {parameter:value}"),
        (["sink('a = ' + str(value).strip())"], "a = {parameter:value}"),
        (["sink('a = ' + value['key'])"], "a = {parameter:value['key']}"),
        (["sink('a = ' + value.key)"], "a = {parameter:value.key}"),
        (["sink(f'a = {compute()}')"], "a = {unknown:compute()}"),
    ],
)
def test_a_hole_is_told_however_the_string_is_formatted(lines: list[str], wanted: str) -> None:
    assert told(in_function(*lines)) == wanted


@pytest.mark.parametrize(
    "hole",
    [
        "int(value)",
        "len(value)",
        "float(value)",
        "hashlib.sha256(value).hexdigest()",
        "value.isoformat()",
        "7",
        "3 * 4",
    ],
)
def test_numbers_and_digests_are_numbers(hole: str) -> None:
    assert told(in_function(f"sink(f'a = {{{hole}}}')")) == "a = {number}"


@pytest.mark.parametrize(
    ("template", "value"),
    [("'a = %d' % value", ""), ("'a = {:d}'.format(value)", ""), ("f'a = {value:.2f}'", "")],
)
def test_a_conversion_to_digits_makes_a_number(template: str, value: str) -> None:
    assert told(in_function(f"sink({template})")) == "a = {number}"


@pytest.mark.parametrize("annotation", ["int", "float", "Optional[int]", "int | None", "UUID"])
def test_a_parameter_annotated_as_a_number_is_one(annotation: str) -> None:
    source = in_function("sink(f'a = {value}')", parameters=f"value: {annotation}")
    assert told(source) == "a = {number}"


@pytest.mark.parametrize(
    "hole",
    [
        "preparer.quote(value)",
        "sql.Identifier(value)",
        """value.replace("'", "''")""",
        """str(value).strip().replace('"', '""')""",
    ],
)
def test_quoted_text_is_quoted(hole: str) -> None:
    source = in_function(f"sink('a = ' + {hole})")
    assert [p.kind for p in pieces(source)] == [Kind.CONSTANT, Kind.QUOTED]


def test_a_replacement_that_doubles_no_quote_is_no_quoting() -> None:
    source = in_function("""sink("a = " + value.replace("'", ""))""")
    assert Kind.PARAMETER in {p.kind for p in pieces(source)}


@pytest.mark.parametrize("hole", ["', '.join(['?'] * len(value))", "'?, ' * len(value)"])
def test_generated_placeholders_are_bound(hole: str) -> None:
    kinds = {p.kind for p in pieces(in_function(f"sink('id IN (' + {hole} + ')')"))}
    assert Kind.BOUND in kinds
    assert all(kind.is_safe for kind in kinds)


@pytest.mark.parametrize(
    "guard",
    [
        ("if value not in ALLOWED:", "    raise ValueError(value)"),
        ("if value not in ('a', 'b'):", "    return"),
        ("assert value in ALLOWED",),
        ("if not value.isidentifier():", "    raise ValueError(value)"),
        ("if not NAME.fullmatch(value):", "    raise ValueError(value)"),
    ],
)
def test_a_value_that_was_checked_is_guarded(guard: tuple[str, ...]) -> None:
    assert told(in_function(*guard, "sink(f'ORDER BY {value}')")) == "ORDER BY {guarded:value}"


@pytest.mark.parametrize(
    "guard",
    [
        ("if value not in ALLOWED:", "    log(value)"),
        ("if not value.isidentifier():", "    pass"),
        ("if other not in ALLOWED:", "    raise ValueError(other)"),
        ("if not value:", "    raise ValueError(value)"),
    ],
)
def test_a_test_that_lets_everything_on_guards_nothing(guard: tuple[str, ...]) -> None:
    assert told(in_function(*guard, "sink(f'ORDER BY {value}')")) == "ORDER BY {parameter:value}"


@pytest.mark.parametrize(
    "hole", ["request.args['q']", "sys.argv[1]", "os.environ['Q']", "input()", "flask.request.form"]
)
def test_what_comes_from_outside_is_input(hole: str) -> None:
    assert [p.kind for p in pieces(in_function(f"sink({hole})"))] == [Kind.INPUT]


def test_a_text_is_followed_through_locals_and_additions() -> None:
    source = in_function(
        "sql = 'SELECT id FROM users'",
        "if value:",
        "    sql += ' WHERE name = ' + value",
        "sink(sql)",
    )
    assert "{parameter:value}" in told(source)
    assert told(source).startswith("SELECT id FROM users")


def test_a_text_is_followed_through_lists_that_are_joined() -> None:
    source = in_function("parts = []", "parts.append('a = ' + value)", "sink(' AND '.join(parts))")
    assert "a = {parameter:value}" in told(source)


def test_a_template_kept_in_a_local_has_its_holes_in_place() -> None:
    template = "template = \"SELECT x WHERE a = '{a}' AND b = {b}\""
    source = in_function(template, "sink(template.format(a=value, b=int(value)))")
    assert told(source) == "SELECT x WHERE a = '{parameter:value}' AND b = {number}"


def test_a_percent_template_kept_in_a_constant_has_its_holes_in_place() -> None:
    source = "SQL = \"a = '%s' LIMIT %d\"\n" + in_function("sink(SQL % (value, value))")
    assert told(source) == "a = '{parameter:value}' LIMIT {number}"


def test_constants_are_followed_to_the_module_they_are_imported_from() -> None:
    source = "from names import TABLE\nimport names\n" + in_function(
        "sink(f'SELECT {names.COLUMN} FROM {TABLE}')"
    )
    assert told(source, names="TABLE = 'users'\nCOLUMN = 'id'\n") == "SELECT id FROM users"


def test_constants_of_a_class_and_of_an_enumeration_are_constant() -> None:
    source = """
    import enum

    class Kind(enum.Enum):
        ADMIN = "admin"

    class Store:
        table = "users"

        def run(self):
            sink(f"SELECT {Kind.ADMIN.value} FROM {self.table}")
    """
    assert told(source) == "SELECT admin FROM users"


def test_an_attribute_set_from_a_parameter_is_a_parameter() -> None:
    source = """
    class Store:
        def __init__(self, table):
            self.table = table

        def run(self):
            sink(f"SELECT id FROM {self.table}")
    """
    assert told(source) == "SELECT id FROM {parameter:table}"


def test_loops_over_constants_and_look_ups_in_constants_are_constant() -> None:
    source = """
    ORDERS = {"new": "created", "name": "name"}

    def run(key):
        for table in ("a", "b"):
            sink(f"SELECT id FROM {table} ORDER BY {ORDERS[key]}")
    """
    assert all(piece.kind is Kind.CONSTANT for piece in pieces(source))


def test_the_items_of_what_a_caller_passes_are_the_callers() -> None:
    source = in_function("for name, wanted in value.items():", "    sink('a = ' + wanted.text)")
    assert told(source) == "a = {parameter:wanted.text}"


def test_declared_names_of_tables_and_columns_are_constant() -> None:
    source = in_function(
        "sink(value.name + table.__tablename__)", parameters='value: "Table", table'
    )
    assert [piece.kind for piece in pieces(source)] == [Kind.CONSTANT, Kind.CONSTANT]


def test_what_a_function_returns_is_followed_with_what_it_is_given() -> None:
    source = "from build import by_name\n" + in_function("sink(by_name(value))")
    build = "def by_name(name):\n    return f\"name = '{name}'\"\n"
    assert told(source, build=build) == "name = '{parameter:value}'"


def test_a_parameter_that_all_callers_give_constants_is_constant() -> None:
    source = """
    def upgrade():
        _drop("labels")
        _drop("rules")

    def _drop(table):
        sink("DROP TABLE " + table)
    """
    assert told(source) == "DROP TABLE labelsrules"


def test_a_parameter_that_one_caller_gives_what_it_was_sent_is_a_parameter() -> None:
    source = """
    def upgrade(name):
        _drop("labels")
        _drop(name)

    def _drop(table):
        sink("DROP TABLE " + table)
    """
    assert told(source) == "DROP TABLE {parameter:table}"


def test_a_parameter_that_a_caller_fills_from_outside_is_input() -> None:
    source = """
    def view():
        _drop(request.args["table"])

    def _drop(table):
        sink("DROP TABLE " + table)
    """
    assert told(source) == "DROP TABLE {input:table}"


def test_the_way_leads_from_the_caller_to_the_place_where_the_text_is_built() -> None:
    source = """
    def run(value):
        sql = "a = " + value
        sink(sql)
    """
    hole = pieces(source)[-1]
    assert [(p.at.line, p.note) for p in hole.way] == [
        (2, "`value` comes from the caller of `run`"),
        (3, "`sql` is built here"),
    ]


@pytest.mark.parametrize(
    "source",
    [
        in_function("sql = sql + value", "sink(sql)"),
        "def run(value):\n    sink(run(value))\n",
        "def a(x):\n    return b(x)\ndef b(x):\n    return a(x)\ndef run(v):\n    sink(a(v))\n",
        "A = B\nB = A\ndef run():\n    sink(A)\n",
        in_function("t = t.format(t)", "sink(t % t)"),
        in_function(f"sink({' + '.join(['value'] * 500)})"),
    ],
    ids=["own name", "recursion", "two functions", "two constants", "template", "many terms"],
)
def test_what_turns_in_circles_or_is_very_long_ends(source: str) -> None:
    assert len(pieces(source)) <= 401


def test_what_is_deeper_than_the_limit_is_unknown_not_constant() -> None:
    steps = "".join(f"def f{n}(x):\n    return f{n + 1}(x)\n" for n in range(DEPTH + 3))
    last = f"def f{DEPTH + 3}(x):\n    return x\n"
    source = f"{steps}{last}def run(value):\n    sink(f0(value))\n"
    assert {piece.kind for piece in pieces(source)} == {Kind.UNKNOWN}


@pytest.mark.parametrize(
    "lines",
    [
        ["value = value or {}", "sink('a = ' + value)"],
        ["if not value:", "    value = 'id'", "sink('a = ' + value)"],
        ["if value:", "    value = value.lower()", "sink('a = ' + value)"],
    ],
)
def test_a_parameter_that_may_keep_what_was_passed_is_one(lines: list[str]) -> None:
    assert Kind.PARAMETER in {piece.kind for piece in pieces(in_function(*lines))}


@pytest.mark.parametrize("value", ["'id'", "int(value)"])
def test_a_parameter_that_was_replaced_is_what_replaced_it(value: str) -> None:
    found = pieces(in_function(f"value = {value}", "sink(value)"))
    assert all(piece.kind.is_safe for piece in found)


def test_a_value_that_is_always_replaced_does_not_reach_the_sink() -> None:
    source = """
    def view(name):
        name = int(name)
        sink("LIMIT " + str(name))
    """
    assert told(source) == "LIMIT {number}"


def test_a_value_that_each_branch_replaces_does_not_reach_the_sink() -> None:
    source = """
    def view():
        order = request.args["order"]
        if order == "new":
            order = "created"
        else:
            order = "id"
        sink("ORDER BY " + order)
    """
    assert told(source) == "ORDER BY createdid"


def test_a_marker_that_is_replaced_is_a_hole() -> None:
    source = """
    def view(name):
        sink("name = '@N'".replace("@N", name))
    """
    assert told(source).startswith("name = '{parameter:name}'")
