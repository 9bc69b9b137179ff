"""The truth table: every handler of database errors in the source, with what runs have seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from auditor.handlers.clauses import Clause, clauses_of
from auditor.handlers.done import FLUSH, READ
from auditor.handlers.live import handlers_in, seen_of, sweeps_of
from auditor.handlers.reach import EVERYTHING, reach_of
from auditor.handlers.verdicts import Known, verdict_of
from auditor.handlers.work import Work, work_of
from auditor.model.finding import Finding
from auditor.model.handler import (
    CaughtError,
    FaultAtHandler,
    HandlerRow,
    HandlerSeen,
    Reach,
)
from auditor.model.outcome import FaultOutcome
from auditor.model.tape import Tape
from auditor.report.evidence import counted
from auditor.rules.errors.caught import always_raises, may_raise, own_events, reraises, short
from auditor.rules.errors.lost_errors import is_lost, returns_in, what_is_done
from auditor.rules.places import span_of
from auditor.source.facts import Call, Items, ModuleFacts, Raise, dotted
from auditor.source.project import Project

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What stands beside the source: findings of the rules, a recording, outcomes of faults."""

    findings: tuple[Finding, ...] = ()
    tape: Tape | None = None
    faults: tuple[FaultOutcome, ...] = ()


def handler_table(
    project: Project,
    modules: Iterable[ModuleFacts],
    witnesses: Witnesses = Witnesses(),
) -> tuple[HandlerRow, ...]:
    """The handlers of the modules, in order of path and line. One that takes everything is in it
    if its `try` comes to the database."""
    clauses = tuple(
        clause
        for module in sorted(modules, key=lambda module: module.path)
        for function in module.functions
        for clause in clauses_of(project, module, function)
    )
    handlers = handlers_in(project, clauses)
    seen = seen_of(handlers, witnesses.tape)
    sweeps = sweeps_of(handlers, witnesses.faults)
    rows = (
        _row(project, clause, (seen.get(number, HandlerSeen()), sweeps.get(number, ())), witnesses)
        for number, clause in enumerate(clauses)
    )
    found = (row for row in rows if row is not None)
    return tuple(sorted(found, key=lambda row: (row.span.path, row.span.line, row.span.column)))


def _row(
    project: Project,
    clause: Clause,
    live: tuple[HandlerSeen, tuple[FaultAtHandler, ...]],
    witnesses: Witnesses,
) -> HandlerRow | None:
    seen, sweeps = live
    work = work_of(project, project.program.scope_of(clause.function), clause.handler.tried)
    if clause.is_broad and not work.done and not seen.tried and not sweeps:
        return None
    errors = tuple(_errors(project, clause, live))
    findings = tuple(one for one in witnesses.findings if _stands_on(one, clause))
    verdict, reason = verdict_of(clause, Known(errors, findings, seen, sweeps))
    return HandlerRow(
        span=span_of(clause.module, clause.handler.line),
        function=clause.function.qualname,
        kind=clause.kind,
        caught=tuple(_written(clause)),
        errors=errors,
        work=_work_words(work),
        answer=_answer(clause),
        verdict=verdict,
        reason=reason,
        codes=tuple(dict.fromkeys(one.code for one in findings)),
        seen=seen,
        sweeps=sweeps,
    )


def _errors(
    project: Project, clause: Clause, live: tuple[HandlerSeen, tuple[FaultAtHandler, ...]]
) -> Iterator[CaughtError]:
    """Each class that the handler names; what runs have shown outranks what was read."""
    names = clause.database or ((EVERYTHING,) if clause.is_broad else ())
    found = [reach_of(project, clause, name) for name in names]
    came = any(live[1]) or live[0].ran > 0
    for one in found:
        if came and len(found) == 1:
            yield CaughtError(one.name, Reach.PROVEN, "it came to it in a run")
        else:
            yield one


def _stands_on(finding: Finding, clause: Clause) -> bool:
    """Whether a finding of the error rules is about the lines of the handler."""
    at = clause.handler.region.at
    return (
        finding.code.startswith(("DBA2", "DBA413"))
        and finding.span.path == clause.module.path
        and finding.function == clause.function.qualname
        and at.line <= finding.span.line <= max(at.end_line, at.line)
    )


def _written(clause: Clause) -> Iterator[str]:
    for written in clause.handler.region.types:
        for expr in written.items if isinstance(written, Items) else (written,):
            yield dotted(expr) or short(clause.handler.types[0] if clause.handler.types else "")


def _work_words(work: Work) -> str:
    """`writes Router, Port; reads`: what the body comes to, through its calls."""
    parts = []
    writes = [one for one in work.done if one.verb not in (READ, FLUSH)]
    if writes:
        models = dict.fromkeys(short(one.model.dotted) for one in writes if one.model is not None)
        shown = list(models)[:_SHOWN]
        more = len(models) - len(shown)
        words = ", ".join(shown) or counted(len(writes), "place")
        parts.append(f"writes {words}{f' and {more} more' if more else ''}")
    if any(one.verb == FLUSH for one in work.done):
        parts.append("flushes or commits")
    if any(one.verb == READ for one in work.done):
        parts.append("reads")
    if not parts:
        parts.append("no database work seen")
    return "; ".join(parts)


def _answer(clause: Clause) -> str:
    """How the handler ends, in words."""
    function, handler = clause.function, clause.handler
    if clause.kind == "suppress":
        return "passes over it"
    if reraises(function, handler):
        return "raises it again"
    raised = _raised(clause)
    if always_raises(function, handler):
        return f"raises {raised}" if raised else "raises"
    if may_raise(function, handler):
        return f"may raise {raised}" if raised else "may raise"
    if is_lost(function, handler):
        return {"it is only logged": "logs it", "it is passed over": "passes over it"}.get(
            what_is_done(function, handler), "returns a default"
        )
    return "returns" if returns_in(function, handler.region.index) else "goes on"


def _raised(clause: Clause) -> str:
    names: dict[str, None] = {}
    for event in own_events(clause.function, clause.handler):
        if isinstance(event, Raise):
            made = event.error.func if isinstance(event.error, Call) else event.error
            name = short(dotted(made)) if made is not None else "it again"
            names["it again" if name == clause.handler.region.name else name] = None
    return " or ".join(name for name in names if name)
