"""Look-ups that find their row for certain, and calls that only look like look-ups."""

from __future__ import annotations

from auditor.source.facts import Call, Compare, Const, Expr, FunctionFacts, Name, dotted, walk
from auditor.source.program import last_step
from auditor.source.project import position_of

_FILTERS = frozenset({"filter", "filter_by", "where"})
_OF_REQUESTS = frozenset({"params", "headers", "timeout", "auth", "verify", "stream"})


def was_made(function: FunctionFacts, lookup: Call) -> bool:
    """Whether the lines before, which always run with the look-up, made such a row."""
    classes = {found.name for found in walk(lookup) if isinstance(found, Name)}
    position = position_of(function, lookup)
    around = {region.index for region in function.ancestors(lookup.region)}
    return any(
        isinstance(event, Call) and event.region in around and dotted(event.func) in classes
        for event in function.events[:position]
    )


def is_of_no_table(call: Call) -> bool:
    """`session.get("links")`: the session is a dict, a row is got by its class first; and
    `session.get(url, timeout=9)` of an HTTP library."""
    key = call.args[0] if len(call.args) in {1, 2} and last_step(call.func) == "get" else None
    is_sent = any(keyword.name in _OF_REQUESTS for keyword in call.keywords)
    return is_sent or (isinstance(key, Const) and isinstance(key.value, str))


def is_of_set_up(lookup: Call) -> bool:
    """`filter_by(name="SECRET_KEY")`: a row that the program names, and that its set-up stores."""
    filters = [
        part for part in walk(lookup) if isinstance(part, Call) and last_step(part.func) in _FILTERS
    ]
    compared: list[Expr] = [k.value for part in filters for k in part.keywords]
    compared += [
        right
        for part in filters
        for argument in part.args
        for test in walk(argument)
        if isinstance(test, Compare)
        for right in test.rights
    ]
    return bool(compared) and all(isinstance(value, Const) for value in compared)
