"""How long calls take, beside the law: least, median and most of several repeats.

Times differ between runs and machines. They are taken only where they were asked for, on calls
of their own without a recorder, and nothing is ever decided by them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from auditor.growth.basis import Sizes
from auditor.growth.count import Counts
from auditor.growth.workload import Workload
from auditor.model.law import Timing

REPEATS = 7


def timings(workload: Workload, counts: Counts, clock: Callable[[], float]) -> tuple[Timing, ...]:
    """The time of calls at the least and the greatest sizes that the scenario gives."""
    sizes = workload.scenario.sizes
    ends = (tuple(values[0] for _, values in sizes), tuple(values[-1] for _, values in sizes))
    return tuple(_timed(workload, counts, end, clock) for end in dict.fromkeys(ends))


def timing_of(sizes: tuple[tuple[str, int], ...], seconds: Sequence[float], rows: int) -> Timing:
    """The spread of the seconds that equal calls took. Raises ValueError if there are none."""
    if not seconds:
        raise ValueError("no call was timed")
    return Timing(sizes, len(seconds), min(seconds), statistics.median(seconds), max(seconds), rows)


def paired_ratio(before: Sequence[float], after: Sequence[float]) -> tuple[float, float, float]:
    """Least, median and most of after/before over calls that were made in turns, pair by pair, so
    that what slows the machine slows both. Raises ValueError if the lengths differ or are 0."""
    ratios = [new / old for old, new in zip(before, after, strict=True)]
    if not ratios:
        raise ValueError("no call was timed")
    return min(ratios), statistics.median(ratios), max(ratios)


def _timed(workload: Workload, counts: Counts, sizes: Sizes, clock: Callable[[], float]) -> Timing:
    named = dict(zip(workload.scenario.variables, sizes, strict=True))
    seconds = []
    for _ in range(REPEATS):
        call = workload.populated(named)
        began = clock()
        workload.called(call, named)
        seconds.append(clock() - began)
        del call
    known = counts.at.get(sizes)
    return timing_of(tuple(named.items()), seconds, known.rows if known is not None else 0)
