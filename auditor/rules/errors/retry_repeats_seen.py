"""The swept half of DBA217: a retry that repeated an effect, or began from changed arguments."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.evidence import FaultSeen
from auditor.model.finding import Confidence, Severity
from auditor.model.outcome import FaultOutcome, Verdict
from auditor.model.span import Frame, Span
from auditor.rule import Hit, Hits

_MOST_SEEN = 5
_MOST_TOLD = 3


def seen(outcomes: tuple[FaultOutcome, ...]) -> Hits:
    """One hit for each retried function that did something twice, whichever statements failed."""
    by_function: dict[Frame, list[FaultOutcome]] = {}
    for one in outcomes:
        if one.verdict is Verdict.REPEATED_EFFECT:
            function = one.retried[0].function if one.retried else one.site
            by_function.setdefault(function, []).append(one)
    for function, found in by_function.items():
        yield _hit(function, found)


def _hit(function: Frame, found: list[FaultOutcome]) -> Hit:
    name = function.function.rpartition(".")[2]
    effects = list(dict.fromkeys(effect for one in found for effect in one.effects))
    more = len(effects) - _MOST_TOLD
    told = "; ".join(effects[:_MOST_TOLD]) + (f"; and {more} more" if more > 0 else "")
    faults = " or ".join(f"`{fault}`" for fault in dict.fromkeys(one.fault for one in found))
    what = (
        f"`{name}` was tried again after {faults}, and repeated what no rollback takes back: {told}"
    )
    return Hit(
        Span(function.path, function.line, 1, function.line, 1),
        function.function,
        {"what": what},
        tuple(_evidence(found)),
        confidence=Confidence.HIGH,
        severity=Severity.ERROR,
        message="{what}",
    )


def _evidence(found: list[FaultOutcome]) -> Iterator[FaultSeen]:
    for one in found[:_MOST_SEEN]:
        yield FaultSeen(one.scenario, one.fault, one.shape, one.verdict.value, one.replay)
