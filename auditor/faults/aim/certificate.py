"""What a sweep tried and what not: every statement of the fault-free run is accounted for.

statements = hit or not reached again (points) + folded into one of them
             + those where the fault cannot happen + those not tried
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from auditor.faults.aim.plan import Plan
from auditor.faults.catalogue.fault import ANY, Fault
from auditor.faults.verdicts.outcomes import Request
from auditor.model.outcome import FaultOutcome, SweepCoverage, Verdict


def planned_coverage(request: Request, plan: Plan) -> SweepCoverage:
    """The certificate before any run: all that can be tried is untried."""
    every = range(1, plan.statements + 1)
    planned = {n for point in plan.points for n in (point.shot.point.ordinal, *point.folded)}
    possible = every if request.at is not None else sorted(planned)
    fault = plan.fault
    return SweepCoverage(
        scenario=request.scenario.name,
        database=request.database,
        fault=fault.name,
        mode=request.mode,
        sizes=tuple(request.sizes.items()),
        statements=plan.statements,
        points=0,
        folded=0,
        not_applicable=plan.statements - len(possible),
        not_reached=0,
        left_out=len(possible),
        untried=tuple(possible),
        impossible=tuple(n for n in every if n not in set(possible)),
        needs=fault.needs.value or _verbs(fault),
    )


def _verbs(fault: Fault) -> str:
    return "an engine that tells it" if set(fault.verbs) >= set(ANY) else " or ".join(fault.verbs)


def reached_coverage(planned: SweepCoverage, outcomes: Iterable[FaultOutcome]) -> SweepCoverage:
    """The certificate with what came of it. A statement that several runs strike, for several
    subjects, is one point; it was reached if one of them reached it."""
    own = [one for one in outcomes if one.fault == planned.fault]
    points = {one.statement for one in own}
    reached = {one.statement for one in own if one.verdict is not Verdict.NOT_REACHED}
    folded = {number for one in own for number in one.folded} - points
    untried = tuple(n for n in planned.untried if n not in points | folded)
    unreached = tuple(sorted(points - reached))
    return replace(
        planned,
        points=len(points),
        folded=len(folded),
        not_reached=len(unreached),
        left_out=len(untried),
        unreached=unreached,
        untried=untried,
    )
