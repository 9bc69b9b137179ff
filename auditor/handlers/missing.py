"""Errors that nothing takes on their way out of the program, told by the schema and the calls.

Asked of functions that nothing in the program calls: what they insert has a unique key besides
made-up ids, or a row that they delete is referred to by a key that does not give way. Only where
the statement runs whenever the function does, and what it writes is known; where a retry repeats on
the error, the second attempt is taken to find the reason; and where a library raises an error of
the domain in its place (neutron-lib's objects), that is taken for an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

from auditor.handlers.done import DELETE, INSERT, Done
from auditor.handlers.engines import engines_of
from auditor.handlers.reach import DUPLICATE, REFERENCE, stands_in
from auditor.handlers.schema import Key, keys_of, refusing, table_of
from auditor.handlers.work import Work, work_of
from auditor.model.evidence import SchemaFact
from auditor.model.finding import Finding
from auditor.model.handler import MissingHandler
from auditor.model.outcome import FaultOutcome, Verdict
from auditor.model.span import Frame
from auditor.rules.errors.caught import catches, handlers_of, short
from auditor.rules.errors.retries import repeats_on, retries_of
from auditor.rules.places import span_of
from auditor.source.facts import At, Call, FunctionFacts, ModuleFacts
from auditor.source.models import Model
from auditor.source.program import Scope
from auditor.source.project import Project

_INTEGRITY = "sqlalchemy.exc.IntegrityError"
_FAULTS = {
    DUPLICATE: ("duplicate", "taken"),
    REFERENCE: ("reference", "parent-vanished"),
}
"""Faults of a sweep that are this error."""
_BY_CODE = {"DBA214": REFERENCE, "DBA215": DUPLICATE}
_WORKLOADS = ("auditor.scenario", "pytest.")
_MIGRATIONS = ("/versions/", "/alembic_migrations/", "/migrations/")


def missing_handlers(
    project: Project,
    modules: Iterable[ModuleFacts],
    faults: Iterable[FaultOutcome] = (),
    findings: Iterable[Finding] = (),
) -> tuple[MissingHandler, ...]:
    """The errors that can get out, one row for each statement and constraint, in order of the
    functions they get out of; of several such functions the first is shown."""
    leaked = [fault for fault in faults if fault.verdict is Verdict.LEAKED]
    found: dict[tuple[Frame, str, str], MissingHandler] = {}
    for scope in _boundaries(project, modules):
        for row in _of_boundary(project, scope, leaked):
            key = (row.way[-1], row.error, row.constraint)
            known = found.get(key)
            found[key] = replace(known, others=known.others + 1) if known else row
    rows = [*found.values(), *_by_rules(findings, leaked, {(k[0], k[1]) for k in found})]
    return tuple(sorted(rows, key=lambda row: (row.span, row.error, row.constraint)))


def _by_rules(
    findings: Iterable[Finding], leaked: list[FaultOutcome], known: set[tuple[Frame, str]]
) -> Iterator[MissingHandler]:
    """What DBA214 and DBA215 report, which look at one statement and who answers for it."""
    for one in findings:
        error = _BY_CODE.get(one.code, "")
        frame = Frame(one.span.path, one.span.line, one.function)
        if error and (frame, short(error)) not in known:
            facts = [fact.fact for fact in one.evidence if isinstance(fact, SchemaFact)]
            yield MissingHandler(
                span=one.span,
                function=one.function,
                error=short(error),
                constraint=f"{one.code}: {facts[0] if facts else one.message}",
                way=(frame,),
                confirmed=_replay_at(
                    one.span.path, (one.span.line, one.span.end_line), error, leaked
                ),
            )


def _boundaries(project: Project, modules: Iterable[ModuleFacts]) -> Iterator[Scope]:
    """The functions that errors get out of, in order of path and line; those of migrations not."""
    for module in sorted(modules, key=lambda module: module.path):
        if not any(part in f"/{module.path}" for part in _MIGRATIONS):
            own = (f for f in module.functions if _is_boundary(project, module, f))
            yield from map(project.program.scope_of, own)


def _is_boundary(project: Project, module: ModuleFacts, function: FunctionFacts) -> bool:
    """Whether it is public, no workload, and nothing in the program calls one of its name."""
    if function is module.body or function.name.startswith("_") or ".<locals>" in function.qualname:
        return False
    if _is_outside(project, project.program.scope_of(function)):
        return False
    callers = project.program.calls.get(function.name, ())
    return all(_is_outside(project, site.scope) for site in callers)


def _is_outside(project: Project, scope: Scope) -> bool:
    """Whether it is a module's body, a workload or a test, whose calls are those of a user."""
    if scope.function is scope.module.body:
        return True
    decorators = (
        project.resolve(scope.module, one.func if isinstance(one, Call) else one)
        for one in scope.function.decorators
    )
    return any(name.startswith(_WORKLOADS) for name in decorators)


def _of_boundary(
    project: Project, scope: Scope, leaked: list[FaultOutcome]
) -> Iterator[MissingHandler]:
    root = scope.function.regions[0]
    is_plain = engines_of(project).plain and not engines_of(project).oslo_db
    for error in (DUPLICATE, REFERENCE):
        errors = (error, _INTEGRITY)
        if any(
            repeats_on(project, retry, one)
            for retry in retries_of(project, scope.module, scope.function)
            for one in errors
        ):
            continue
        work = work_of(project, scope, root, errors)
        for one, constraint in _violable(project, work, error):
            is_answered = one.noted and _is_answered(project, scope, one, errors)
            if not stands_in(project, one, error) and not is_answered:
                yield MissingHandler(
                    span=span_of(scope.module, _first_line(scope.function)),
                    function=scope.function.qualname,
                    error=short(_INTEGRITY if is_plain else error),
                    constraint=constraint,
                    way=_way(project, scope, one),
                    confirmed=_confirmed(one, error, leaked, project),
                )


def _is_answered(project: Project, scope: Scope, one: Done, errors: tuple[str, ...]) -> bool:
    """Whether a function on the way takes the error anywhere: a change that is only noted fails
    where it is flushed, which may be there."""
    steps = (scope, *(project.program.scopes[key] for key in one.way.path))
    return any(
        catches(project, handler, error)
        for step in steps
        for handler in handlers_of(project, step.module, step.function)
        for error in errors
    )


def _first_line(function: FunctionFacts) -> At:
    at = function.at
    return At(at.line, at.column, at.line, at.column + len("def"))


def _violable(project: Project, work: Work, error: str) -> Iterator[tuple[Done, str]]:
    """The statements that certainly run, and what they can violate."""
    for one in work.writes:
        if one.model is not None and one.certain and not one.way.retried:
            constraints = _keys_of(project, one.model) if error == DUPLICATE else ()
            if error == REFERENCE and one.verb == DELETE:
                constraints = _referring(project, one.model)
            elif one.verb != INSERT:
                constraints = ()
            yield from ((one, constraint) for constraint in constraints)


def _keys_of(project: Project, model: Model) -> tuple[str, ...]:
    return tuple(
        f"{'primary key' if key.is_primary else 'unique key'} ({', '.join(key.columns)}) of"
        f" `{short(model.dotted)}`"
        for key in keys_of(project, model)
        if not key.is_made and not _is_name(model, key)
    )


def _referring(project: Project, model: Model) -> tuple[str, ...]:
    return tuple(
        f"`{short(other.model.dotted)}.{other.column}` refers to `{short(model.dotted)}`"
        for other in refusing(project, model)
    )


def _is_name(model: Model, key: Key) -> bool:
    """Whether a key is a primary one of one column that refers to nothing: programs make up its
    values, also where the class does not say so."""
    referring = {foreign.column for foreign in model.foreign_keys}
    return key.is_primary and len(key.columns) == 1 and key.columns[0] not in referring


def _way(project: Project, scope: Scope, one: Done) -> tuple[Frame, ...]:
    """From the function to the statement: the line of each call."""
    steps = [scope, *(project.program.scopes[key] for key in one.way.path)]
    frames = []
    for here, callee in pairwise(steps):
        line = next(
            (s.at.line for s in project.sites(here.function) if s.callee == callee.key),
            here.function.at.line,
        )
        frames.append(Frame(here.module.path, line, here.function.qualname))
    last = project.program.scopes[one.site.scope]
    return (*frames, Frame(last.module.path, one.site.at.line, last.function.qualname))


def _confirmed(one: Done, error: str, leaked: list[FaultOutcome], project: Project) -> str:
    scope = project.program.scopes[one.site.scope]
    call = scope.function.events[one.site.position]
    last = call.at.end_line if isinstance(call, Call) else one.site.at.line
    lines = (one.site.at.line, last)
    if one.noted:  # what is noted fails where it is flushed, in the same function at best
        lines = (scope.function.at.line, scope.function.at.end_line)
        table = table_of(project, one.model) if one.model is not None else ""
        leaked = [fault for fault in leaked if table and f" {table} " in fault.shape]
    return _replay_at(scope.module.path, lines, error, leaked)


def _replay_at(path: str, lines: tuple[int, int], error: str, leaked: list[FaultOutcome]) -> str:
    """The replay of a fault that got out from these lines, empty if there is none."""
    for fault in leaked:
        for frame in fault.stack if fault.fault in _FAULTS[error] else ():
            if lines[0] <= frame.line <= lines[1] and f"/{frame.path}".endswith(f"/{path}"):
                return fault.replay or fault.scenario
    return ""
