"""What a fault costs: one run with a fault against the plain workload, in one process, by turns.

    python benchmarks/fault_overhead.py [SCENARIO...] [--db URL] [--fault NAME] [--rounds 30]
    python benchmarks/fault_overhead.py --replays 100      is one outcome always the same?

`plain` empties and fills the database and makes the call, without auditor. `fault` is the same with
one statement failing, watched, compared and judged; its call may be shorter (the error escapes) or
longer (a retry), so `watched`, the same without a fault, stands beside. Seconds are medians.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from time import perf_counter

from auditor.backends.scratch import open_scratch
from auditor.faults.aim.plan import Point, plan_for
from auditor.faults.state.oracle import plain_engine
from auditor.faults.sweep.bench import Bench
from auditor.faults.sweep.run import chosen_faults, sizes_for
from auditor.faults.sweep.scenario_runs import ScenarioRuns
from auditor.faults.verdicts.outcomes import Request, judged_outcome, pending_outcome
from auditor.growth.load import load_scenarios
from auditor.growth.scenario import Scenario
from auditor.growth.workload import prepared

SAMPLES = tuple(
    f"sample_schemas/metering/scenarios.py::{name}"
    for name in ("metering_sync", "create_label_repaired")
)
NEUTRON = ("neutron.metering_sync", "neutron.metering_rule_create")


def seconds_of(work: Callable[[], object]) -> float:
    """How long one execution takes."""
    began = perf_counter()
    work()
    return perf_counter() - began


def request_for(scenario: Scenario, fault: str, url: str) -> Request:
    """A sweep of one fault."""
    return Request(
        scenario=scenario,
        faults=chosen_faults((fault,), url),
        mode="once",
        at=None,
        sizes=sizes_for(scenario),
        database=url,
        replay="",
        seconds=30.0,
        root=os.getcwd(),
    )


def measure(bench: Bench, request: Request, rounds: int) -> str:
    """One line: medians, and what the slow ones are of the plain one."""
    expected = ScenarioRuns(request, bench).fault_free(repeated=False)
    fault = request.faults[0]
    points = plan_for(fault, expected.struck_by(fault), expected.keys).points

    def plain() -> None:
        call = bench.workload.populated(bench.sizes)
        call()

    def faulted(point: Point) -> None:
        judged_outcome(
            request, point, bench.run(point.shot), expected, pending_outcome(request, point)
        )

    times: dict[str, list[float]] = {"plain": [], "watched": [], "fault": []}
    gc.freeze()
    for number in range(rounds):
        point = points[number % len(points)]
        times["plain"].append(seconds_of(plain))
        times["watched"].append(seconds_of(bench.run))
        times["fault"].append(seconds_of(lambda point=point: faulted(point)))  # type: ignore[misc]
    medians = {name: statistics.median(found) for name, found in times.items()}
    told = ", ".join(f"{name} {1000 * found:.1f} ms" for name, found in medians.items())
    ratios = [medians[name] / medians["plain"] for name in ("watched", "fault")]
    return (
        f"{told}: watched {ratios[0]:.2f}, fault {ratios[1]:.2f} times plain"
        f" ({len(points)} points, {len(expected.keys)} tables)"
    )


def replays(bench: Bench, request: Request, times: int) -> str:
    """Whether one outcome, again and again, is always the same."""
    expected = ScenarioRuns(request, bench).fault_free(repeated=False)
    fault = request.faults[0]
    point = plan_for(fault, expected.struck_by(fault), expected.keys).points[-1]
    pending = pending_outcome(request, point)
    gc.freeze()  # as the workers do: a collection of all that is loaded takes ten times as long
    found = {
        judged_outcome(request, point, bench.run(point.shot), expected, pending)
        for _ in range(times)
    }
    verdicts = ", ".join(sorted(one.verdict.value for one in found))
    return f"{times} replays of statement {pending.statement}: {len(found)} outcome ({verdicts})"


def main(arguments: Sequence[str]) -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("scenarios", nargs="*", default=[*SAMPLES, *NEUTRON])
    parser.add_argument("--db", default="sqlite://")
    parser.add_argument("--fault", default="deadlock")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--replays", type=int, default=0)
    asked = parser.parse_args(arguments)
    for target in asked.scenarios:
        (scenario,) = load_scenarios((target,)).scenarios
        request = request_for(scenario, asked.fault, asked.db)
        with (
            open_scratch(asked.db) as database,
            redirect_stdout(sys.stderr),
            prepared(database, scenario) as (workload,),
            plain_engine(database.url) as engine,
        ):
            bench = Bench(workload, request.sizes, engine, request.root)
            if asked.replays:
                told = replays(bench, request, asked.replays)
            else:
                told = measure(bench, request, asked.rounds)
        print(f"{scenario.name}: {told}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
