"""Calls through which text becomes SQL, as the rules of family 1xx see them.

A call is such a sink by its row in the tables; because the function of the project it runs hands
the argument on to a sink as it is; or, where nothing tells what the receiver is, because the text
given to its `execute` is a statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from auditor.model.evidence import SourcePath, Step
from auditor.model.knowledge import DRIVER_CONNECTION, QUERY, SinkRow
from auditor.rules.places import span_at
from auditor.source.facts import (
    At,
    Attribute,
    Bind,
    Call,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    walk,
)
from auditor.source.passing import passed_to
from auditor.source.pieces import Kind, Piece, Place
from auditor.source.program import Scope, last_step
from auditor.source.project import Project
from auditor.source.provenance import pieces_of
from auditor.source.value import INSTANCE, NAME, Value

_FAMILY = ("sqlalchemy", "oslo_db", "neutron_lib.db", "alembic", "flask_sqlalchemy", "sqlmodel")
_KEPT = "auditor.rules.raw_sql.sinks"
READS_AS_SQL = re.compile(
    r"\s*(?:select\s(?:.*\sfrom\s|\s*\w+\s*\()|(?:insert|replace)\s+(?:or\s+\w+\s+)?into\s"
    r"|update\s.*\sset\s|delete\s+from\s|with\s.*\bselect\s|truncate\s+table\s|begin\s*;"
    r"|(?:create|drop|alter)\s+(?:or\s+replace\s+)?(?:unique\s+)?(?:temp(?:orary)?\s+)?"
    r"(?:table|index|view|materialized|database|schema|user|role|sequence|trigger|function)\s"
    r"|call\s+\S+\s*\(|(?:grant|revoke)\s.*\s(?:to|on|from)\s|set\s+\S+\s*(?:=|to)\s|pragma\s"
    r"|(?:attach|use)\s+(?:database\s)?|load\s+data\s|copy\s.*\s(?:from|to)\s|explain\s+\w+\s"
    r"|lock\s+table|vacuum\s|analyze\s|show\s+\w+\s)",
    re.IGNORECASE | re.DOTALL,
)
_ORDERS = frozenset({"order_by", "group_by"})
_CALLS = 100
"""Calls of a function that hands its argument on which are looked at."""


@dataclass(frozen=True, slots=True)
class Given:
    """Text given to a sink: the call, its row, the argument, and whether it is SQL for certain
    (`sure`) or only if the receiver is what its name says. `handed_on` tells that the call runs a
    function of the project which gives the text to the sink."""

    call: Call
    row: SinkRow
    text: Expr
    sure: bool
    handed_on: bool = False
    lead: str = ""
    """What stands before the text in the statement: `ORDER BY` for `order_by(text(...))`."""


def texts_given(
    project: Project, module: ModuleFacts, function: FunctionFacts
) -> tuple[Given, ...]:
    """Every argument of the function's calls that becomes SQL, in order."""
    if _KEPT not in project.shared:
        project.shared[_KEPT] = _all_given(project)
    found: dict[int, tuple[Given, ...]] = project.shared[_KEPT]
    return found.get(project.program.scope_of(function).key, ())


def _all_given(project: Project) -> dict[int, tuple[Given, ...]]:
    """By scope key, so that what functions hand on is found once for all rules."""
    found: dict[int, list[Given]] = {}
    for scope in project.program.scopes:
        given = list(_direct(project, scope))
        if given:
            found[scope.key] = given
    _add_handed_on(project, found)
    return {key: tuple(sorted(given, key=lambda g: g.call.at)) for key, given in found.items()}


def _direct(project: Project, scope: Scope) -> Iterator[Given]:
    module = scope.module
    ordering = _inside_orders(scope)
    for position, event in enumerate(scope.function.events):
        if isinstance(event, Call):
            rows, is_known = _rows(project, scope, position, event)
            sure = is_known or (bool(rows) and uses_sqlalchemy(module))
            yield from (
                Given(event, row, text, sure, lead="ORDER BY " if id(event) in ordering else "")
                for row in rows
                for text in _arguments(event, row)
            )


def _inside_orders(scope: Scope) -> frozenset[int]:
    """The calls that stand in an argument of `order_by` or `group_by`."""
    return frozenset(
        id(inner)
        for event in scope.function.events
        if isinstance(event, Call) and last_step(event.func) in _ORDERS
        for arg in event.args
        for inner in walk(arg)
        if isinstance(inner, Call)
    )


def pieces_given(
    project: Project, module: ModuleFacts, function: FunctionFacts, given: Given
) -> tuple[Piece, ...]:
    """The pieces of the statement that a text becomes, as far as it is known."""
    place = Place(project, module, function, given.call.at, given.call.region)
    lead = (Piece(Kind.CONSTANT, given.lead),) if given.lead else ()
    return (*lead, *pieces_of(place, given.text))


def _rows(
    project: Project, scope: Scope, position: int, call: Call
) -> tuple[tuple[SinkRow, ...], bool]:
    sinks = project.knowledge.sinks
    rows = sinks.get(("", project.resolve(scope.module, call.func)))
    if rows:
        return rows, True
    if isinstance(call.func, Name):
        return _rows_of_alias(project, scope, position, call.func)
    if not isinstance(call.func, Attribute):
        return (), False
    if call.func.name not in project.knowledge.sink_methods:
        return (), False
    receiver = project.value(scope.module, scope.function, position, call.func.base)
    rows = sinks.get((receiver.kind, call.func.name), ())
    if rows or not _may_execute(project, receiver):
        return rows, receiver.sure
    row = sinks.get((DRIVER_CONNECTION, call.func.name), ())
    if row and (_is_handed_to_cursor(scope, call) or _is_sql(project, scope, call)):
        return row, True
    is_query = _is_query_of_session(call.func.base)
    return (sinks.get((QUERY, call.func.name), ()) if is_query else ()), False


def _may_execute(project: Project, receiver: Value) -> bool:
    """Whether nothing is known of a receiver but, at most, a name outside the project."""
    is_outside = receiver.kind in (NAME, INSTANCE) and receiver.name not in project.program.classes
    return not receiver.kind or is_outside


def _rows_of_alias(
    project: Project, scope: Scope, position: int, func: Name
) -> tuple[tuple[SinkRow, ...], bool]:
    """The rows of a bound method kept in a local: `execute = connection.execute`."""
    methods = project.knowledge.sink_methods
    for event in scope.function.events:
        if not isinstance(event, Bind) or event.target != func.name:
            continue
        bound = event.value
        if isinstance(bound, Attribute) and bound.name in methods:
            receiver = project.value(scope.module, scope.function, position, bound.base)
            return project.knowledge.sinks.get((receiver.kind, bound.name), ()), receiver.sure
    return (), False


def _is_query_of_session(expr: Expr) -> bool:
    """Whether a chain starts at the `query(...)` of something that is called a session."""
    while isinstance(expr, Call) and isinstance(expr.func, Attribute):
        owner = expr.func.base
        if expr.func.name == "query":
            return last_step(owner).lower().endswith("session")
        expr = owner
    return False


def _is_handed_to_cursor(scope: Scope, call: Call) -> bool:
    """`conn.cursor().execute(query)` of a parameter, whatever `conn` is."""
    owner = call.func.base if isinstance(call.func, Attribute) else None
    if not isinstance(owner, Call) or last_step(owner.func) != "cursor" or not call.args:
        return False
    return bool(handed_on(scope.function, call.args[0]))


def _is_sql(project: Project, scope: Scope, call: Call) -> bool:
    """Whether the first argument is a statement by its own words."""
    if not call.args:
        return False
    place = Place(project, scope.module, scope.function, call.at, call.region)
    pieces = pieces_of(place, call.args[0])
    return bool(READS_AS_SQL.match("".join(p.text or "x" for p in pieces[:40]) + " "))


def _arguments(call: Call, row: SinkRow) -> tuple[Expr, ...]:
    if row.only_with and call.keyword(row.only_with) is None:
        return ()
    if row.position == -1:
        return call.args
    if row.position < len(call.args):
        return (call.args[row.position],)
    named = call.keyword(row.keyword) if row.keyword else None
    return () if named is None else (named,)


def _add_handed_on(project: Project, found: dict[int, list[Given]]) -> None:
    """Adds the calls of functions that give one of their parameters to a sink as it is."""
    waiting = [(key, given) for key, texts in found.items() for given in texts]
    seen: set[tuple[int, str]] = set()
    while waiting:
        key, given = waiting.pop()
        scope = project.program.scopes[key]
        name = handed_on(scope.function, given.text)
        if not name or (key, name) in seen:
            continue
        seen.add((key, name))
        for caller, call, text in passed_to(project, scope.function, name, at_most=_CALLS):
            further = Given(call, given.row, text, given.sure, handed_on=True, lead=given.lead)
            found.setdefault(caller.key, []).append(further)
            waiting.append((caller.key, further))


def handed_on(function: FunctionFacts, text: Expr) -> str:
    """The parameter that is given to the sink as it is; empty if the text is something else."""
    if not isinstance(text, Name) or all(p.name != text.name for p in function.parameters):
        return ""
    is_bound = any(isinstance(e, Bind) and e.target == text.name for e in function.events)
    return "" if is_bound else text.name


def is_looked_at_itself(project: Project, module: ModuleFacts, given: Given) -> bool:
    """Whether the text is a call that is a sink of its own: `execute(text(sql))`."""
    inner = given.text
    return isinstance(inner, Call) and (
        ("", project.resolve(module, inner.func)) in project.knowledge.sinks
    )


def uses_sqlalchemy(module: ModuleFacts) -> bool:
    """Whether the module imports SQLAlchemy or what is built on it."""
    return any(
        target == family or target.startswith(f"{family}.")
        for target in module.imports.values()
        for family in _FAMILY
    )


def is_migration(module: ModuleFacts) -> bool:
    """Whether the module works through Alembic's operations: it runs once, on a schema it knows."""
    return any(target.startswith("alembic.op") for target in module.imports.values())


def way_of(module: ModuleFacts, given: Given, pieces: Sequence[Piece]) -> SourcePath:
    """The path of the pieces that have one, source first, ending at the sink."""
    return path_to(module, given.call.at, pieces, "it becomes SQL here")


def path_to(module: ModuleFacts, at: At, pieces: Sequence[Piece], note: str) -> SourcePath:
    """The path of the pieces that have one, source first, ending at `at` with `note`."""
    passages = (passage for piece in pieces for passage in piece.way)
    steps = [Step(span_at(passage.path, passage.at), passage.note) for passage in passages]
    end = Step(span_at(module.path, at), note)
    return SourcePath((*dict.fromkeys(steps), end))
