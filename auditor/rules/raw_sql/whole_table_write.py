"""DBA105: an UPDATE or DELETE without WHERE, as text, as an expression or on a query."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import QUERY
from auditor.model.span import Frame, Span
from auditor.model.tape import CauseKind, Entry, Tape
from auditor.rule import Example, Hit, Hits, LiveExample, OnFunction, OnTape, Rule
from auditor.rules.outside import is_test_code
from auditor.rules.places import span_of
from auditor.rules.queries.recorded_loads import evidence_of
from auditor.rules.raw_sql.sinks import is_migration, texts_given
from auditor.rules.raw_sql.statements import HOLE, statements_of
from auditor.rules.recorded import is_set_up, path_of_entry
from auditor.source.facts import (
    At,
    Attribute,
    Bind,
    Call,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    dotted,
)
from auditor.source.project import Project
from auditor.sql.tables import tables_in
from auditor.sql.tokens import tokens_of

_ALL = re.compile(
    r"(?:^|_)(?:all|clear|purge|reset|truncate|wipe|empty|flush|drop|clean|cleanup|teardown|reload"
    r"|rebuild|migrate|upgrade|downgrade|load|init|initialize|seed|restore|import)(?:_|$)",
    re.IGNORECASE,
)
_SCRATCH = re.compile(r"(?:^|_)(?:te?mp|staging|scratch|cache|alembic_version)", re.IGNORECASE)
_NOT_NARROWING = frozenset(
    "self cls session context ctx connection conn engine db cursor bind op args kwargs".split()
)
_CONSTRUCTS = frozenset({"update", "delete"})
_KEEPS_WHOLE = frozenset(
    {
        "values",
        "returning",
        "execution_options",
        "options",
        "query",
        "prefix_with",
        "ordered_values",
    }
)
"""Links of a chain that leave every row of the table in it."""


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Writes to all rows of a table in a function whose name does not say so."""
    around = f"{module.name.rpartition('.')[2]}_{function.qualname.replace('.', '_')}"
    if is_migration(module) or _ALL.search(_plain(around)):
        return
    found = (*_in_text(project, module, function), *_in_expressions(project, module, function))
    for at, verb, table in found:
        if _SCRATCH.search(_plain(table)):
            continue
        narrowing = [p.name for p in function.parameters if _may_narrow(function, p.name)]
        names = ", ".join(f"`{name}`" for name in narrowing) or "something"
        fields = {"verb": verb, "table": table, "narrowing": names}
        confidence = None if narrowing else Confidence.LOW
        yield Hit(span_of(module, at), function.qualname, fields, confidence=confidence)


def _may_narrow(function: FunctionFacts, parameter: str) -> bool:
    """Whether a parameter can be what should narrow the write: it is not what another one is made
    with, as a key is that encrypts (`Fernet(secret_key)`)."""
    if parameter in _NOT_NARROWING:
        return False
    made = (e.value for e in function.events if isinstance(e, Bind) and e.kind == "assign")
    return not any(isinstance(value, Call) and Name(parameter) in value.args for value in made)


def recorded(tape: Tape, project: Project) -> Hits:
    """Statements that were executed and wrote every row of a table, outside of tests' own code."""
    temporary = {t for e in tape.entries if _TEMPORARY.match(e.shape) for t in e.tables}
    found: dict[tuple[Frame, str, str], list[Entry]] = {}
    for entry in tape.entries:
        table = _written_whole(entry)
        is_scratch = table in temporary or _SCRATCH.search(_plain(table))
        if table and not is_scratch and not _is_meant(project, entry):
            found.setdefault((entry.site.frame, entry.verb, table), []).append(entry)
    tables = Counter(frame for frame, _, _ in found)
    for (frame, verb, table), entries in found.items():
        if tables[frame] >= _MANY_TABLES:
            continue  # a line that empties a whole database
        path = path_of_entry(project, entries[0])
        function = path[0].function.qualname if path[0].function is not None else frame.function
        times = sum(entry.executions for entry in entries)
        fields = {"verb": verb, "table": table, "times": f"{times:,}"}
        evidence = tuple(evidence_of(entries))
        yield Hit(Span(frame.path, frame.line), function, fields, evidence, message=_RECORDED)


_RECORDED = (
    "{verb} without WHERE was executed (x{times}) and wrote every row of `{table}`: `.where(...)`,"
    " or a function name that says that all rows are meant"
)
_MANY_TABLES = 4
_CLEANING = re.compile(r"fixture|testing|cleanup", re.IGNORECASE)
_TEMPORARY = re.compile(r"CREATE (?:GLOBAL |LOCAL )?TEMP(?:ORARY)? ")


def _written_whole(entry: Entry) -> str:
    """The table of an UPDATE or DELETE that nothing narrows; empty for any other statement."""
    tokens = tokens_of(entry.shape)
    is_write = entry.verb in {"UPDATE", "DELETE"} and tokens[:1] == (entry.verb,)
    is_asked_for = entry.cause.kind is CauseKind.EXPLICIT and bool(entry.site.stack)
    narrows = {"WHERE", "LIMIT", "JOIN", "USING", "FROM" if entry.verb == "UPDATE" else "USING"}
    if not is_write or not is_asked_for or not narrows.isdisjoint(tokens) or not entry.tables:
        return ""
    return entry.tables[0]


def _is_meant(project: Project, entry: Entry) -> bool:
    """Whether it is the clean-up of a test, a migration, or in a function that is named for it."""
    path = path_of_entry(project, entry)
    if is_set_up(path) or is_test_code(entry.site.frame):
        return True
    names = [standing.frame.function.rpartition(".")[2] for standing in path[:2]]
    module = path[0].module
    if module is not None and is_migration(module):
        return True
    file = entry.site.frame.path.rpartition("/")[2].removesuffix(".py")
    if _CLEANING.search(file) or any(_CLEANING.search(s.frame.function) for s in path[:3]):
        return True
    return any(_ALL.search(_plain(name)) for name in (*names, file))


def _plain(name: str) -> str:
    """`deleteAll` -> `delete_All`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)


def _in_text(
    project: Project, module: ModuleFacts, function: FunctionFacts
) -> Iterator[tuple[At, str, str]]:
    for statement in statements_of(project, module, function):
        tokens = tokens_of(statement.sql.replace(HOLE, " hole "))
        if not statement.given.sure or tokens[:1] not in (("UPDATE",), ("DELETE",)):
            continue
        is_open = "WHERE" in tokens or "LIMIT" in tokens or "hole" in tokens[2:]
        tables = tables_in(tokens)
        if tables and not is_open and "hole" not in tables and "JOIN" not in tokens:
            yield statement.given.call.at, tokens[0], tables[0]


def _in_expressions(
    project: Project, module: ModuleFacts, function: FunctionFacts
) -> Iterator[tuple[At, str, str]]:
    for given in texts_given(project, module, function):
        if len(given.call.args) > 1:
            continue  # `execute(update(Port), rows)`: each row is written by its key
        found = _construct(project, module, function, given.text)
        if found is not None:
            yield (given.call.at, *found)
    for position, event in enumerate(function.events):
        table = _table_of_query(event) if isinstance(event, Call) else ""
        if not table or not isinstance(event, Call) or not isinstance(event.func, Attribute):
            continue
        if project.value(module, function, position, event.func.base).kind == QUERY:
            yield event.at, event.func.name.upper(), table


def _table_of_query(call: Call) -> str:
    """What `session.query(Model).delete()` writes; empty for other calls and filtered queries."""
    func = call.func
    if not isinstance(func, Attribute) or func.name not in _CONSTRUCTS:
        return ""
    root = _root(func.base)
    is_whole = _links(func.base)[1:] == ("query",) and root is not None and root.args
    return dotted(root.args[0]) if is_whole and root is not None else ""


def _construct(
    project: Project, module: ModuleFacts, function: FunctionFacts, expr: Expr
) -> tuple[str, str] | None:
    """Verb and table of `update(Model).values(...)` and the like that has no condition."""
    if isinstance(expr, Name):
        binds = [e for e in function.events if isinstance(e, Bind) and e.target == expr.name]
        expr = binds[0].value or expr if len(binds) == 1 and binds[0].kind == "assign" else expr
    verb, *links = _links(expr) or ("",)
    root = _root(expr)
    resolved = project.resolve(module, verb)
    if not resolved.startswith(("sqlalchemy.", "sqlmodel.")) or root is None or not root.args:
        return None
    name = resolved.rpartition(".")[2]
    table = dotted(root.args[0])
    is_whole = name in _CONSTRUCTS and set(links) <= _KEEPS_WHOLE and bool(table)
    return (name.upper(), table.rpartition(".")[2]) if is_whole else None


def _links(expr: Expr) -> tuple[str, ...]:
    """What a chain of calls is made of, first link first: `update(M).values(...)` gives `update`,
    `values`; `session.query(M)` gives `session`, `query`."""
    links: list[str] = []
    while isinstance(expr, Call) and isinstance(expr.func, Attribute) and not dotted(expr.func):
        links.append(expr.func.name)
        expr = expr.func.base
    if isinstance(expr, Call):
        if isinstance(expr.func, Attribute) and expr.func.name == "query":
            return (dotted(expr.func.base), "query", *reversed(links))
        return (dotted(expr.func), *reversed(links))
    return ()


def _root(expr: Expr) -> Call | None:
    """The innermost call of a chain."""
    while isinstance(expr, Call) and isinstance(expr.func, Attribute):
        if dotted(expr.func):
            return expr
        expr = expr.func.base
    return expr if isinstance(expr, Call) else None


_RUN = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Lease(Base):
                __tablename__ = "leases"
                id = sa.Column(sa.Integer, primary_key=True)
                host = sa.Column(sa.String(9))

            def prepare(engine):
                Base.metadata.create_all(engine)
                with orm.Session(engine) as session:
                    session.add_all(Lease(host=host) for host in "abc")
                    session.commit()
"""
RULE = Rule(
    code="DBA105",
    name="whole-table-write",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="{verb} without WHERE writes every row of `{table}` (taking it that {narrowing} should"
    " narrow it)",
    why=(
        "A condition that was forgotten, or lost when the statement was rebuilt, changes or removes"
        " the rows of every tenant. The statement locks the whole table until its transaction ends."
    ),
    instead="Add the condition. Where all rows are meant, say so in the function's name"
    " (`delete_all_labels`), or suppress the finding with the reason.",
    checks=(OnFunction(check), OnTape(recorded)),
    bad=(
        Example(
            "text",
            """
            from sqlalchemy import text

            def disable(session, user_id):
                session.execute(text("UPDATE users SET enabled = false"))  # expect: DBA105
            """,
        ),
        Example(
            "an expression",
            """
            from sqlalchemy import update
            from app.models import User

            def disable(session, user_id):
                statement = update(User).values(enabled=False)
                session.execute(statement)  # expect: DBA105
            """,
        ),
        Example(
            "a query",
            """
            from sqlalchemy.orm import Session
            from app.models import User

            def forget(session: Session, user_id):
                session.query(User).delete()  # expect: DBA105
            """,
        ),
        LiveExample(
            "recorded: the condition was optional",
            _RUN
            + """
            def release(session, host=None):
                statement = sa.delete(Lease)
                if host:
                    statement = statement.where(Lease.host == host)
                session.execute(statement)  # expect: DBA105

            def run(engine):
                with orm.Session(engine) as session:
                    release(session, "a")
                    release(session)
            """,
            (
                (
                    "release: DELETE without WHERE was executed (x1) and wrote every row of"
                    " `leases`: `.where(...)`, or a function name that says that all rows are meant"
                ),
            ),
        ),
    ),
    good=(
        Example(
            "with a condition",
            """
            from sqlalchemy import text, update
            from sqlalchemy.orm import Session
            from app.models import User

            def disable(session: Session, user_id):
                session.execute(
                    text("UPDATE users SET enabled = false WHERE id = :id"), {"id": user_id})
                session.execute(update(User).where(User.id == user_id).values(enabled=False))
                session.query(User).filter_by(id=user_id).delete()
            """,
        ),
        Example(
            "a condition added later",
            """
            from sqlalchemy import update
            from app.models import User

            def disable(session, user_id):
                statement = update(User).values(enabled=False)
                if user_id:
                    statement = statement.where(User.id == user_id)
                session.execute(statement)
            """,
        ),
        Example(
            "the name says it",
            """
            from sqlalchemy import text

            def clear_cache(session):
                session.execute(text("DELETE FROM cache"))
            """,
        ),
        Example(
            "a migration",
            """
            from alembic import op

            def _fill():
                op.execute("UPDATE labels SET shared = false")
            """,
        ),
        Example(
            "text that goes on",
            """
            from sqlalchemy import text

            def forget(session, user_id):
                sql = "DELETE FROM users"
                sql += " WHERE id = :id"
                session.execute(text(sql), {"id": user_id})
            """,
        ),
        Example(
            "a dict and a set",
            """
            def keep(found, query):
                found.update({"a": 1})
                query.delete()
            """,
        ),
        LiveExample(
            "recorded: a condition, a temporary table, a name that says so",
            _RUN
            + """
            def purge_leases(session):
                session.query(Lease).delete()

            def run(engine):
                with orm.Session(engine) as session:
                    session.execute(sa.delete(Lease).where(Lease.host == "a"))
                    session.execute(sa.text("CREATE TEMPORARY TABLE found (id INTEGER)"))
                    session.execute(sa.delete(sa.table("found")))
                    purge_leases(session)
            """,
        ),
    ),
    known_gaps=(
        "statements and queries that are handed to the function are not reported",
        "in a function that takes nothing to narrow by it is reported with low confidence",
        "`table.delete()` of a Core table is not reported",
    ),
    sources=("SQLAlchemy: ORM-enabled UPDATE and DELETE",),
)
