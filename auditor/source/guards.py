"""Guards: tests that let a name through only with values somebody listed or checked.

if column not in ALLOWED: raise ValueError(column)      if name.isidentifier(): ...
assert kind in ("a", "b")                               if not NAME.fullmatch(name): return
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from auditor.source.facts import (
    Arithmetic,
    Attribute,
    Bind,
    Call,
    Compare,
    Const,
    Expr,
    FunctionFacts,
    Jump,
    Name,
    Not,
    Raise,
    Read,
    Region,
    Return,
    Test,
    dotted,
    path_of,
    walk,
)

_Path = tuple[str, ...]
_KEPT = "auditor.source.guards"
_CHECKS = frozenset({"isidentifier", "isdigit", "isdecimal", "isnumeric", "isalnum", "isalpha",
                      "issubset"})  # fmt: skip
_MATCHES = frozenset({"match", "fullmatch"})
_CASES = frozenset({"lower", "upper", "strip", "casefold"})
_SAYS = re.compile(
    r"_?(?:is|has|check|validate|verify)_?\w*(?:valid|safe|allowed|known|ident|name|check)"
)
_ENDS = frozenset({"abort", "exit", "_exit", "fail", "error"})


class _Tests(NamedTuple):
    """What a function tests. `listed` has each test with the names and chains that it compares with
    a list or checks; `items` what stands for each item of a collection (see `_items_of`)."""

    listed: tuple[tuple[Test, frozenset[_Path]], ...]
    items: Mapping[_Path, tuple[_Path, ...]]


def is_guarded(kept: dict[str, Any], function: FunctionFacts, path: _Path) -> bool:
    """Whether some test of the function lets a name or a chain from one (as in `Read.path`) on only
    with a listed or checked value. What the function tests is kept in `kept`, by its identity.

    The order of test and use is not looked at: a guard in a function is taken to guard its name.
    """
    if not path:
        return False
    known: dict[int, _Tests] = kept.setdefault(_KEPT, {})
    tests = known.get(id(function))
    if tests is None:
        tests = known[id(function)] = _tests_of(function)
    guarded = {path, *tests.items.get(path, ())}
    return any(
        any(_lists(test, listed, one) for one in guarded)
        and (test.kind == "assert" or _decides(function, test, path[0]))
        for test, listed in tests.listed
    )


def _tests_of(function: FunctionFacts) -> _Tests:
    listed: list[tuple[Test, frozenset[_Path]]] = []
    items: dict[_Path, tuple[_Path, ...]] = {}
    for event in function.events:
        if isinstance(event, Test):
            subjects = (one for found in walk(event.expr) for one in _subjects(found))
            listed.append((event, frozenset(map(path_of, subjects))))
        elif isinstance(event, Bind):
            for path, item in _items_of(function, event):
                items[path] = (*items.get(path, ()), item)
    return _Tests(tuple(listed), items)


def _items_of(function: FunctionFacts, bind: Bind) -> Iterator[tuple[_Path, _Path]]:
    """By collection, what stands for each item of it: the name of a loop that refuses some, and
    what is left of it without those that are listed."""
    if bind.value is None or "[]" in bind.target:
        return
    if bind.kind == "loop":
        region = function.regions[bind.region]
        if region.kind == "comprehension" or _raises(function, region):
            yield path_of(_collection(bind.value)), (bind.target,)
    elif bind.kind == "assign":
        for path in _diminished(bind.value):
            yield path, (bind.target, "")


def _collection(expr: Expr) -> Expr:
    """`names` of `names.items()`, `set(names)`."""
    if isinstance(expr, Call):
        return expr.func.base if isinstance(expr.func, Attribute) else (*expr.args, expr)[0]
    return expr


def _diminished(expr: Expr) -> tuple[_Path, ...]:
    """`names` of `set(names) - ALLOWED` and of `names.difference(ALLOWED)`."""
    match expr:
        case Arithmetic(operator="-", left=left) if left is not None:
            return path_of(left), path_of(_collection(left))
        case Call(func=Attribute(base=base, name="difference")):
            return path_of(base), path_of(_collection(base))
        case _:
            return ()


def _lists(test: Test, listed: frozenset[_Path], path: _Path) -> bool:
    """Whether the test compares `path` with a collection, or checks its characters."""
    if path[-1] == "":  # what is left of a collection: `if unknown: raise`
        return path_of(test.expr) == path[:1]
    return path in listed


def _subjects(found: Expr) -> tuple[Expr, ...]:
    """What a test compares with a list, or checks the characters of."""
    match found:
        case Compare(left=left, operators=("in",) | ("not in",)):
            return left, _case(left)
        case Compare(left=Call() as left, operators=("<=",) | ("<",)):
            return (_collection(left),)
        case Arithmetic(operator="-", left=Call() as left):
            return (_collection(left),)
        case Compare(left=left, operators=("!=",), rights=(Const(value=str(word)),)) if word:
            return (left,)
        case Call(func=Attribute(base=base, name=method)) if method in _CHECKS:
            return base, _collection(base)
        case Call(func=func, args=args) if _matches(func):
            return args
        case _:
            return ()


def _case(expr: Expr) -> Expr:
    """`name` of `name.lower()`."""
    is_case = isinstance(expr, Call) and getattr(expr.func, "name", "") in _CASES
    return _collection(expr) if is_case else expr


def _matches(func: Expr) -> bool:
    """A match against a pattern, or a function of the program that by its name checks."""
    last = func.name if isinstance(func, (Attribute, Name)) else ""
    return last in _MATCHES or bool(_SAYS.match(last))


def _raises(function: FunctionFacts, region: Region) -> bool:
    return any(isinstance(event, (Raise, Return)) for event in function.inside(region))


def _decides(function: FunctionFacts, test: Test, name: str) -> bool:
    """Whether the branch for a refused value leaves: raise, return or continue; or whether the test
    is positive, so that the use stands in its branch."""
    negative = _is_negative(test.expr) or _is_rest_name(function, test.expr)
    for region in function.regions:
        if region.kind == "if" and region.expr is test.expr:
            return _leaves(function, region) if negative else _holds(function, region, name)
    return not negative


def _is_rest_name(function: FunctionFacts, test: Expr) -> bool:
    """`if unknown:` after `unknown = set(names) - ALLOWED`."""
    return isinstance(test, Name) and any(
        isinstance(event, Bind)
        and event.target == test.name
        and isinstance(event.value, (Arithmetic, Call))
        for event in function.events
    )


def _holds(function: FunctionFacts, accepted: Region, name: str) -> bool:
    """Whether the branch for a listed value uses it, or the other branch leaves: not so after
    `if value in ("*", "%"): continue`, where the listed values are those that are not used."""
    return any(
        isinstance(event, Read) and event.path[0] == name for event in function.inside(accepted)
    ) or any(
        region.kind == "else" and region.partner == accepted.index and _leaves(function, region)
        for region in function.regions
    )


def _is_negative(test: Expr) -> bool:
    return any(
        isinstance(found, Not)
        or (isinstance(found, Compare) and {"not in", "!="} & set(found.operators))
        or (isinstance(found, Arithmetic) and found.operator == "-")
        for found in walk(test)
    )


def _leaves(function: FunctionFacts, region: Region) -> bool:
    return any(
        isinstance(event, (Raise, Return))
        or (isinstance(event, Jump) and event.kind != "pass")
        or (isinstance(event, Call) and dotted(event.func).rpartition(".")[2] in _ENDS)
        for event in function.inside(region)
    )
