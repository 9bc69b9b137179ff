"""Guards: tests that let a name through only with values somebody listed or checked.

if column not in ALLOWED: raise ValueError(column)      if name.isidentifier(): ...
assert kind in ("a", "b")                               if not NAME.fullmatch(name): return
"""

from __future__ import annotations

from auditor.source.facts import (
    Attribute,
    Call,
    Compare,
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
    walk,
)

_CHECKS = frozenset({"isidentifier", "isdigit", "isdecimal", "isnumeric", "isalnum", "isalpha"})
_MATCHES = frozenset({"match", "fullmatch"})


def is_guarded(function: FunctionFacts, name: str) -> bool:
    """Whether some test of the function lets `name` on only with a listed or checked value.

    The order of test and use is not looked at: a guard in a function is taken to guard its name.
    """
    return any(
        isinstance(event, Test)
        and _lists(event.expr, name)
        and (event.kind == "assert" or _decides(function, event, name))
        for event in function.events
    )


def _lists(test: Expr, name: str) -> bool:
    """Whether the test compares `name` with a collection, or checks its characters."""
    for found in walk(test):
        match found:
            case Compare(left=Name(name=left), operators=("in",) | ("not in",)) if left == name:
                return True
            case Call(func=Attribute(base=Name(name=base), name=method)) if base == name:
                if method in _CHECKS:
                    return True
            case Call(func=Attribute(name=method), args=args) if method in _MATCHES:
                if any(isinstance(arg, Name) and arg.name == name for arg in args):
                    return True
    return False


def _decides(function: FunctionFacts, test: Test, name: str) -> bool:
    """Whether the branch for a refused value leaves: raise, return or continue; or whether the test
    is positive, so that the use stands in its branch."""
    negative = _is_negative(test.expr)
    for region in function.regions:
        if region.kind == "if" and region.expr is test.expr:
            return _leaves(function, region) if negative else _holds(function, region, name)
    return not negative


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
        isinstance(found, Not) or (isinstance(found, Compare) and "not in" in found.operators)
        for found in walk(test)
    )


def _leaves(function: FunctionFacts, region: Region) -> bool:
    return any(
        isinstance(event, (Raise, Return)) or (isinstance(event, Jump) and event.kind != "pass")
        for event in function.inside(region)
    )
