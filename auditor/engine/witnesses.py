"""What tapes, laws and fault outcomes tell of the lines of a finding, as evidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from auditor.engine.places import Where, place_of, stands_at
from auditor.model.evidence import Estimated, Evidence, Executions, FaultSeen, Growth
from auditor.model.finding import Finding
from auditor.model.law import LawResult, TermSite
from auditor.model.law_text import law_of, total_of
from auditor.model.outcome import FaultOutcome, Verdict
from auditor.model.predicted import Predicted, is_target, verdict
from auditor.model.span import Frame
from auditor.model.tape import Entry


def is_met(where: Where, frames: Iterable[Frame]) -> bool:
    """Whether one of the frames stands at the lines."""
    return any(stands_at(place_of(frame), where) for frame in frames)


def executions_at(where: Where, entries: Iterable[Entry]) -> tuple[Executions, ...]:
    """The statements executed from these lines, whichever test or transaction ran them, those
    executed most often first."""
    sums: dict[tuple[str, str], Executions] = {}
    for entry in entries:
        if not is_met(where, entry.site.stack):
            continue
        key = (entry.shape, str(entry.cause))
        known = sums.get(key)
        sums[key] = Executions(
            shape=entry.shape,
            cause=str(entry.cause),
            executions=entry.executions + (known.executions if known else 0),
            rows=entry.rows + (known.rows if known else 0),
            seconds=entry.seconds + (known.seconds if known else 0.0),
            stack=known.stack if known else entry.site.stack,
        )
    return tuple(sorted(sums.values(), key=lambda one: (-one.executions, one.shape, one.cause)))


def growth_at(where: Where, laws: Iterable[LawResult]) -> tuple[Growth, ...]:
    """The part of each growing term that statements from these lines cause."""
    found: list[Growth] = []
    for result in laws:
        if result.law is None:
            continue
        for term in result.terms:
            sites = [site for site in term.sites if is_met(where, (site.frame, *site.stack))]
            if sites:
                whole = len(sites) == len(term.sites)
                share = str(term.term) if whole else _total(sites)
                found.append(Growth(result.scenario, result.database, str(result.law), share))
    return tuple(dict.fromkeys(found))


def _total(sites: Iterable[TermSite]) -> str:
    """The shares of several sites as one; side by side if one is not written as a law."""
    shares = [site.share for site in sites]
    try:
        return str(total_of(law_of(share) for share in shares))
    except ValueError:
        return " + ".join(shares)


def stacks_failed(
    evidence: Iterable[Evidence], outcomes: Iterable[FaultOutcome]
) -> tuple[Frame, ...]:
    """The call paths to the statements at which the faults of this evidence struck."""
    replayed = {one.replay for one in evidence if isinstance(one, FaultSeen)}
    return tuple(frame for one in outcomes if one.replay in replayed for frame in one.stack)


def faults_at(where: Where, outcomes: Iterable[FaultOutcome]) -> tuple[Evidence, ...]:
    """What happened when a statement from these lines failed, or when a handler on them saw the
    error; only what was not good, and each fault and verdict once."""
    found: dict[tuple[str, str, Verdict], FaultSeen] = {}
    for one in outcomes:
        if one.verdict.is_good or one.verdict is Verdict.NOT_REACHED:
            continue
        if not is_met(where, (one.site, *one.handlers, *one.traceback)):
            continue
        key = (one.scenario, one.fault, one.verdict)
        found.setdefault(
            key, FaultSeen(one.scenario, one.fault, one.shape, one.verdict.value, one.replay)
        )
    return tuple(found.values())


def with_measured(finding: Finding, laws: Iterable[LawResult]) -> Finding:
    """The finding, each estimate of its function with what laws of that function say of it; one
    that holds what they say already stays as it is."""
    if not any(isinstance(one, Estimated) for one in finding.evidence):
        return finding
    module = finding.span.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    same = [law for law in laws if is_target(law.target, module, finding.function)]
    told = tuple(_measured(one, same) for one in finding.evidence)
    return replace(finding, evidence=told)


def _measured(one: Evidence, laws: Iterable[LawResult]) -> Evidence:
    """An estimate with a sentence for each law; other evidence as it is."""
    if not isinstance(one, Estimated):
        return one
    predicted = Predicted(one.sure, one.possible)
    told = (
        f"measured, {law.scenario} on {law.database}: {law.law}; the estimate"
        f" {verdict(law.law, predicted)}"
        for law in laws
        if law.law is not None
    )
    return replace(one, measured=tuple(dict.fromkeys((*one.measured, *told))))
