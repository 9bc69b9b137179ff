"""Look-ups that find their row for certain, calls that only look like look-ups, and handlers that
wait for the missing row."""

from __future__ import annotations

import re

from auditor.source.database_functions import is_migration
from auditor.source.facts import (
    At,
    Attribute,
    Bind,
    Call,
    Compare,
    Const,
    Expr,
    FunctionFacts,
    Name,
    Read,
    Subscript,
    Test,
    dotted,
    path_of,
    walk,
)
from auditor.source.program import CallSite, last_step
from auditor.source.project import Project, position_of

_FILTERS = frozenset({"filter", "filter_by", "where"})
_CATCHES = frozenset({"AttributeError", "TypeError", "Exception", "BaseException"})
_KEYS = ("_id", "_uuid")
"""How columns are named that hold the key of another row."""
_LOOKS = re.compile(r"(?:get|find|load|fetch|query|one|first|all|scalars?|list|select)(?:_|$)")
_INSERTS = frozenset({"bulk_insert", "insert", "bulk_save_objects", "add", "add_all"})
_CALLERS = 20
_OF_REQUESTS = frozenset({"params", "headers", "timeout", "auth", "verify", "stream"})


def is_there(function: FunctionFacts, at: At, lookup: Call) -> bool:
    """Whether the row of a look-up that is used somewhere is there for certain, or a handler waits
    for its missing."""
    is_sure = was_made(function, lookup) or was_counted(function, lookup)
    return is_sure or is_caught(function, at) or is_in_its_rows(function, at, lookup)


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


def may_follow(function: FunctionFacts, bind: Bind, read: Read) -> bool:
    """Whether the read runs after this bind: not in another branch of the same `if` or `try`."""
    around = {region.index for region in function.ancestors(read.region)}
    for region in function.ancestors(bind.region):
        if region.index not in around and region.kind in (
            "if",
            "else",
            "case",
            "handler",
            "lambda",
        ):
            return False
        if region.index in around:
            break
    return True


def is_aggregate(project: Project, function: FunctionFacts, call: Call) -> bool:
    """`query(func.count(...)).first()` always has a row; also when a function of the project makes
    the query."""
    names = {part.name for part in walk(call) if isinstance(part, Name)}
    made = [
        event.value
        for event in function.events
        if isinstance(event, Bind) and event.target in names and event.value is not None
    ]
    calls = [part for expr in (call, *made) for part in walk(expr) if isinstance(part, Call)]
    return any(_is_of_func(part) for part in calls) or any(
        isinstance(event, Call) and any(_is_of_func(part) for part in walk(event))
        for part in calls
        for target in project.targets(function, position_of(function, part), part)
        if target.function is not None
        for event in target.function.function.events
    )


def _is_of_func(expr: Expr) -> bool:
    return isinstance(expr, Call) and ".func." in f".{dotted(expr.func)}."


def is_of_reference(function: FunctionFacts, lookup: Call) -> bool:
    """`session.get(Person, bill.payer_id)`, `Shot.get(shot["id"])`: a key that another row holds,
    whose row a foreign key keeps, or that of a row at hand. A dict that the caller hands in is no
    row: it tells what was stored when it was made."""
    position = position_of(function, lookup)
    values = [part for part in walk(lookup) if isinstance(part, (Attribute, Subscript, Name))]
    names = {part.name for part in values if isinstance(part, Name)}
    values += [
        part
        for event in function.events[:position]
        if isinstance(event, Bind) and event.target in names and event.value is not None
        for part in walk(event.value)
        if isinstance(part, (Attribute, Subscript))
    ]
    handed = {parameter.name for parameter in function.parameters}
    paths = [
        path_of(value)
        for value in values
        if not (isinstance(value, Subscript) and dotted(value.base) in handed)
    ]
    return any(
        len(path) > 1 and path[0] != "self" and _is_key(path[-1].strip("[]'\""))
        for path in paths
        if not any(step[:1].isupper() for step in path)
    )


def _is_key(name: str) -> bool:
    return name == "id" or name.endswith(_KEYS)


def is_doubted_elsewhere(project: Project, function: FunctionFacts, lookup: Call) -> bool:
    """Whether most other callers of the same function of the project test what it gives."""
    name = dotted(lookup.func)
    others = [
        site
        for site in project.program.calls.get(last_step(lookup.func), ())
        if dotted(site.call.func) == name and site.call is not lookup and _is_kept(site)
    ]
    tested = sum(_is_tested(site) for site in others)
    return bool(tested) and tested * 2 >= len(others)


def _is_kept(site: CallSite) -> bool:
    """Whether the result of a call gets a name, which a test may ask about."""
    events = site.scope.function.events
    return any(isinstance(e, Bind) and e.value is site.call for e in events)


def _is_tested(site: CallSite) -> bool:
    """Whether the name that a call is bound to is tested for being there at all."""
    events = site.scope.function.events
    names = {e.target for e in events if isinstance(e, Bind) and e.value is site.call}
    return any(isinstance(event, Test) and _tested(event.expr) in names for event in events)


def _tested(test: Expr) -> str:
    """The name that `x`, `not x`, `x is None` and `x is not None` ask about."""
    asked = getattr(test, "operand", test)
    if isinstance(asked, Compare) and asked.operators in {("is",), ("is not",)}:
        asked = asked.left
    return dotted(asked)


def was_counted(function: FunctionFacts, lookup: Call) -> bool:
    """Whether the function has counted what the same query finds: `rows.count()` before
    `rows.first()`."""
    query = dotted(lookup.func.base) if isinstance(lookup.func, Attribute) else ""
    position = position_of(function, lookup)
    return bool(query) and any(
        isinstance(event, Call) and dotted(event.func) == f"{query}.count"
        for event in function.events[:position]
    )


def were_callers_asked(project: Project, function: FunctionFacts) -> bool:
    """Whether everybody who calls the function has looked something up before, mostly that row."""
    calls = project.program.calls.get(function.name, ())
    return bool(calls) and len(calls) <= _CALLERS and all(map(_has_asked, calls))


def is_in_own_session(function: FunctionFacts, lookup: Call) -> bool:
    """Whether the function looks the row up in a session that it opens: what callers saw was in
    another transaction, and may be gone."""
    root = path_of(lookup.func)[:1]
    at = function.events[position_of(function, lookup)]
    around = {region.index for region in function.ancestors(at.region)}
    return bool(root) and any(
        isinstance(event, Bind)
        and event.kind == "with"
        and event.target == root[0]
        and event.region in around
        for event in function.events
    )


def was_inserted(project: Project, function: FunctionFacts, lookup: Call) -> bool:
    """Whether a step of a migration has inserted rows before: it knows what is there."""
    module = project.program.scope_of(function).module
    return is_migration(module) and any(
        isinstance(event, Call) and last_step(event.func) in _INSERTS
        for event in function.events[: position_of(function, lookup)]
    )


def is_in_its_rows(function: FunctionFacts, at: At, lookup: Call) -> bool:
    """Whether the use stands in a loop over the same query: `for row in rows: rows.first().id`."""
    query = dotted(lookup.func.base) if isinstance(lookup.func, Attribute) else ""
    return bool(query) and any(
        region.kind == "for"
        and region.expr is not None
        and dotted(region.expr) == query
        and region.at.line <= at.line <= region.at.end_line
        for region in function.regions
    )


def _has_asked(site: CallSite) -> bool:
    """Whether a caller has something at hand that was looked up: a row, or rows it goes through."""
    return any(
        isinstance(event, Call) and _LOOKS.match(last_step(event.func).lstrip("_")) is not None
        for event in site.scope.function.events[: site.position]
    )


def is_caught(function: FunctionFacts, at: At) -> bool:
    """Whether a handler around a use waits for what None would raise."""
    around = {
        region.index
        for region in function.regions
        if region.kind == "try" and region.at.line <= at.line <= region.at.end_line
    }
    return any(
        handler.kind == "handler"
        and handler.partner in around
        and (not handler.types or {dotted(t) for t in handler.types} & _CATCHES)
        for handler in function.regions
    )
