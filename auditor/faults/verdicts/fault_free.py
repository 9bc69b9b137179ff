"""The call without a fault: what every faulted call is compared with."""

from __future__ import annotations

from auditor.faults.state.oracle import differing_columns, snapshot
from auditor.faults.sweep.bench import Bench, Run
from auditor.growth.blame import blamed
from auditor.growth.workload import in_words, is_declared
from auditor.model.errors import ScenarioError

_SHOWN = 200  # characters


def fault_free_run(bench: Bench, *, repeated: bool) -> Run:
    """The call without a fault, held to repeat itself; `repeated` if it did so before, in another
    process: then the second call here stands for it, as the first one may fill caches.

    Raises ScenarioError if it fails, or tells what differs between equal calls.
    """
    first, second = _faultless(bench), _faultless(bench)
    if repeated:
        return second
    if not _difference(bench, first, second):
        return second
    third = _faultless(bench)
    difference = _difference(bench, second, third)
    if difference:
        raise ScenarioError(
            f"scenario `{bench.workload.scenario.name}` does not repeat itself, so a fault's effect"
            f" cannot be told: {difference}"
        )
    return third


def _faultless(bench: Bench) -> Run:
    run = bench.run()
    scenario = bench.workload.scenario
    if run.error is not None and not is_declared(run.error, scenario.declared):
        raise ScenarioError(
            f"scenario `{scenario.name}` fails without any fault, with"
            f" {in_words(bench.sizes) or 'no sizes'}: {blamed(run.error)}"
        )
    if run.delta and not run.watch.statements:
        tables = ", ".join(f"`{name}`" for name in run.delta)
        raise ScenarioError(
            f"scenario `{scenario.name}` changes {tables} without any statement that SQLAlchemy"
            " executes, so none can be made to fail: let it work through SQLAlchemy, not through"
            " the driver's own connection"
        )
    return run


def _difference(bench: Bench, first: Run, second: Run) -> str:
    """How two runs without a fault differ; empty if they do not."""
    one, other = first.watch.statements, second.watch.statements
    for left, right in zip(one, other, strict=False):
        if (left.shape, left.site) != (right.shape, right.site):
            return f"statement {left.ordinal} is `{left.shape[:80]}` and then `{right.shape[:80]}`"
    if len(one) != len(other):
        return f"equal calls executed {len(one)} and {len(other)} statements"
    if first.delta != second.delta:
        names = differing_columns(first.delta, second.delta, snapshot(bench.engine))
        shown = ", ".join(f"`{name}`" for name in names) or "the numbers of rows"
        return f"{shown} differ between equal calls; name such columns in `volatile=(...)`"
    if not first.equals(second.learned({})):
        return (
            f"equal calls returned `{first.result!r:.{_SHOWN}}` and"
            f" `{second.result!r:.{_SHOWN}}`; name keys that may differ in `volatile=(...)`"
        )
    return ""
