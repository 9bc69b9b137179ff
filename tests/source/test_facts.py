"""What a module says, told by its facts."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.source.facts import (
    Bind,
    Call,
    FunctionFacts,
    Jump,
    ModuleFacts,
    Raise,
    Read,
    Region,
    Return,
    Text,
    Yield,
    dotted,
    path_of,
)
from auditor.source.facts import (
    Test as Condition,
)
from auditor.source.parse import NotParsed, parse_module


def facts(source: str, name: str = "pkg.mod", *, is_package: bool = False) -> ModuleFacts:
    return parse_module("mod.py", name, textwrap.dedent(source).encode(), is_package=is_package)


def function(source: str, qualname: str = "f") -> FunctionFacts:
    return next(f for f in facts(source).functions if f.qualname == qualname)


def told(event: object) -> str:
    """An event in one short line."""
    match event:
        case Read(path=path):
            return f"read {'.'.join(path)}"
        case Bind(target=target, kind=kind):
            return f"{kind} {target}"
        case Call(func=func):
            return f"call {dotted(func)}"
        case Condition(kind=kind):
            return f"test {kind}"
        case Jump(kind=kind):
            return kind
        case _:
            return type(event).__name__.lower()


def story(found: FunctionFacts) -> list[str]:
    return [told(event) for event in found.events]


def regions(found: FunctionFacts) -> list[tuple[str, int]]:
    return [(region.kind, region.parent) for region in found.regions]


def test_events_come_in_order_of_evaluation() -> None:
    assert story(function("def f(a):\n    x = g(a.b['c'], k=a.d)\n    return x")) == [
        "read g", "read a.b.[c]", "read a.d", "call g", "assign x", "read x", "return",
    ]  # fmt: skip


def test_a_loop_evaluates_its_iterable_outside_and_its_body_inside() -> None:
    found = function("def f(q):\n    for row in q.all():\n        send(row.name)\n    done()")
    loop = found.regions[1]
    assert (loop.kind, loop.target) == ("for", ("row",))
    assert [told(e) for e in found.inside(loop)] == [
        "loop row", "read send", "read row.name", "call send",
    ]  # fmt: skip
    assert [dotted(e.func) for e in found.events if isinstance(e, Call) and e.region == 0] == [
        "q.all", "done",
    ]  # fmt: skip


def test_a_while_loop_evaluates_its_test_inside() -> None:
    found = function("def f():\n    while more():\n        step()")
    assert [told(e) for e in found.inside(found.regions[1])] == [
        "read more", "call more", "test while", "read step", "call step",
    ]  # fmt: skip


def test_a_comprehension_is_a_loop_with_its_filter() -> None:
    found = function("def f(rows):\n    return [r.id for r in rows if r.up for p in r.ports]")
    assert regions(found) == [("function", -1), ("comprehension", 0), ("comprehension", 1)]
    assert story(found) == [
        "read rows", "loop r", "read r.up", "test filter", "read r.ports", "loop p", "read r.id",
        "return",
    ]  # fmt: skip


def test_handlers_know_their_try_and_the_types_they_catch() -> None:
    found = function(
        """
        def f():
            try:
                a()
            except (db.X, Y) as e:
                raise Z from e
            except:
                pass
            else:
                b()
            finally:
                c()
        """
    )
    kinds = {region.kind: region for region in found.regions}
    first = next(r for r in found.regions if r.kind == "handler")
    assert [dotted(t) for t in first.types] == ["db.X", "Y"]
    assert (first.name, first.partner) == ("e", kinds["try"].index)
    assert kinds["handler"].types == ()
    assert kinds["try-else"].partner == kinds["finally"].partner == kinds["try"].index
    raised = next(e for e in found.events if isinstance(e, Raise))
    assert (raised.has_cause, dotted(raised.cause)) == (True, "e")


def test_branches_carry_their_test_and_their_partner() -> None:
    found = function("def f(x):\n    if not x:\n        a()\n    else:\n        b()")
    (one, other) = found.regions[1:]
    assert (one.kind, other.kind, other.partner) == ("if", "else", one.index)
    assert one.expr is other.expr is not None


def test_each_with_item_is_bound_before_the_next_is_evaluated() -> None:
    found = function("def f(c):\n    with W.using(c) as s, s.begin():\n        s.add(1)")
    block: Region = found.regions[1]
    assert [item.name for item in block.items] == ["s", ""]
    assert story(found)[: block.first] == [
        "read W.using", "read c", "call W.using", "with s", "read s.begin", "call s.begin",
    ]  # fmt: skip
    assert [told(e) for e in found.inside(block)] == ["read s.add", "call s.add"]


def test_methods_and_nested_functions_have_qualified_names_and_the_body_comes_last() -> None:
    source = """
        class A:
            @deco
            def m(self):
                def inner():
                    pass
            class B:
                async def n(self): ...
        x = 1
    """
    found = facts(source)
    assert [(f.qualname, f.class_name) for f in found.functions] == [
        ("A.m", "A"), ("A.m.<locals>.inner", ""), ("A.B.n", "A.B"), ("<module>", ""),
    ]  # fmt: skip
    assert [c.qualname for c in found.classes] == ["A.B", "A"]
    assert [dotted(d) for d in found.functions[0].decorators] == ["deco"]
    assert found.functions[2].is_async


def test_generators_are_told_apart_from_functions_that_hold_one() -> None:
    source = "def f():\n    yield 1\ndef g():\n    def h():\n        yield 2\n    return h"
    assert [(x.qualname, x.is_generator) for x in facts(source).functions] == [
        ("f", True), ("g", False), ("g.<locals>.h", True), ("<module>", False),
    ]  # fmt: skip
    assert isinstance(function(source).events[0], Yield)


@pytest.mark.parametrize(
    ("source", "parts", "how"),
    [
        ("f'a {x} b {y!r}'", ("a ", "x", " b ", "y"), "f-string"),
        ("'a %s b %s' % (x, y)", ("a ", "x", " b ", "y"), "percent"),
        ("'a %(k)s' % {'k': x}", ("a ", "x"), "percent"),
        ("'50%% of %s' % x", ("50", "%", " of ", "x"), "percent"),
        ("'a {} {k}'.format(x, k=y)", ("a ", "x", " ", "y"), "format"),
        ("'a {1} {0}'.format(x, y)", ("a ", "y", " ", "x"), "format"),
        ("'a ' + x + ' b'", ("a ", "x", " b"), "concat"),
        ("', '.join(x)", (", ", "x"), "join"),
        ("f'{x:d}' + '!'", ("%d", "!"), "concat"),
        ("'{'.format(x)", ("{", "..."), "format"),
    ],
)
def test_strings_built_in_every_way_are_one_text(
    source: str, parts: tuple[str, ...], how: str
) -> None:
    bind = next(e for e in facts(f"s = {source}").body.events if isinstance(e, Bind))
    assert isinstance(bind.value, Text)
    told_parts = tuple(
        p if isinstance(p, str) else dotted(p) or getattr(p, "operator", "...")
        for p in bind.value.parts
    )
    assert (told_parts, bind.value.how) == (parts, how)


def test_an_augmented_string_holds_what_was_there_before() -> None:
    binds = [e for e in function("def f(x):\n    s = 'a'\n    s += x + 'b'").events
             if isinstance(e, Bind)]  # fmt: skip
    assert isinstance(binds[1].value, Text)
    assert [p if isinstance(p, str) else dotted(p) for p in binds[1].value.parts] == ["s", "x", "b"]


def test_tuple_targets_are_paired_where_they_can_be() -> None:
    found = function("def f(p):\n    a, (b, c.d) = 1, p\n    e[0] = a")
    assert [(e.target, e.kind) for e in found.events if isinstance(e, Bind)] == [
        ("a", "assign"), ("b", "unpack"), ("c.d", "unpack"), ("e[]", "assign"),
    ]  # fmt: skip


def test_imports_are_absolute_names() -> None:
    source = "import a.b\nimport a.c as d\nfrom . import e\nfrom ..f import g as h\nfrom i import *"
    assert dict(facts(source, "top.pkg.mod").imports) == {
        "a": "a", "d": "a.c", "e": "top.pkg.e", "h": "top.f.g", "*i": "i",
    }  # fmt: skip
    assert facts("from . import e", "top.pkg", is_package=True).imports["e"] == "top.pkg.e"


def test_a_chain_is_followed_through_constant_keys_only() -> None:
    returned = function("def f(a, k):\n    return a.b['c'].d[k]").events[-1]
    assert isinstance(returned, Return)
    assert path_of(returned.value) == ()
    assert path_of(returned.value.base) == ("a", "b", "[c]", "d")  # type: ignore[union-attr]


def test_match_statements_bind_what_they_capture() -> None:
    found = function("def f(x):\n    match x:\n        case {'a': y, **rest} if y: g(y)")
    assert [e.target for e in found.events if isinstance(e, Bind)] == ["rest", "y"]
    assert [r.kind for r in found.regions] == ["function", "case"]


def test_suppressions_hold_for_the_statement_they_stand_on() -> None:
    source = """
        x = call(
            1,  # auditor: ignore[DBA101, dba102] two rows at most
        )
        # auditor: ignore[DBA301]
        for a in b:
            c(a)  # auditor: ignore
        text = "# auditor: ignore[DBA999] not a comment"
    """
    assert [tuple(s) for s in facts(source).suppressions] == [
        (3, 2, 4, ("DBA101", "DBA102"), "two rows at most"),
        (5, 6, 6, ("DBA301",), ""),
        (7, 7, 7, (), ""),
    ]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"def f(:\n", "line 1: invalid syntax"),
        (b"x = 1\nprint 'python 2'\n", "line 2: Missing parentheses in call to 'print'"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "source code string cannot contain null bytes"),
        (b"# -*- coding: no-such -*-\nx = 1\n", "unknown encoding: no-such"),
        (b"<<<<<<< HEAD\nx = 1\n", "line 1: invalid syntax"),
        (b"x = " + b"(" * 5000 + b")" * 5000, "too many nested parentheses"),
    ],
)
def test_what_is_not_python_is_said_to_be_so(source: bytes, message: str) -> None:
    with pytest.raises(NotParsed) as caught:
        parse_module("bad.py", "bad", source)
    assert message.casefold() in str(caught.value).casefold()


def test_long_sums_and_long_chains_of_elif_are_read() -> None:
    total = "x = " + " + ".join(["'a'"] * 3000)
    branches = "if a == 0: b()\n" + "".join(f"elif a == {n}: b()\n" for n in range(400))
    assert isinstance(facts(total).body.events[0], Bind)
    assert sum(isinstance(e, Call) for e in facts(branches).body.events) == 401


@given(st.text(alphabet="abx \n\t()[]{}:=.,'\"%+#@\\def if for in yield", max_size=80))
def test_no_text_crashes_the_parser(source: str) -> None:
    try:
        found = parse_module("x.py", "x", source.encode())
    except NotParsed:
        return
    body = found.body
    assert all(0 <= r.first <= r.last <= len(body.events) for r in body.regions)
