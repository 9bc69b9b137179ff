"""How a call behaved towards a fault, beyond result and state: what it called again, what of it
was done twice outside the database, and what it changed in its own arguments.

    before retrying    arguments as given        repeated_arguments
    at each statement  the calls around it       repeated
    at each message    where it was sent from    effects_seen
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import CodeType

from auditor.faults.conduct.effects_seen import (
    Effects,
    counting,
    effects_for_nothing,
    repeated_effects,
)
from auditor.faults.conduct.repeated import (
    NOTHING_CALLED,
    Called,
    CallTree,
    kept,
    repeated_calls,
    tries,
)
from auditor.faults.conduct.repeated_arguments import (
    ArgumentsSeen,
    Kept,
    changed_arguments,
    kept_arguments,
)
from auditor.faults.conduct.waits import Waits, no_waiting
from auditor.faults.strike.inject import Watch
from auditor.model.outcome import FaultOutcome, Retried, Verdict


@dataclass(frozen=True, slots=True, eq=False)
class Conduct:
    """What is kept of one run. `seconds` is how long it would have waited between tries."""

    called: Called = NOTHING_CALLED
    given: tuple[Kept, ...] = ()
    effects: Effects = field(default_factory=dict)
    seconds: float = 0.0


@contextmanager
def conduct_watched(watch: Watch, boundary: CodeType, root: str) -> Iterator[Callable[[], Conduct]]:
    """Look while the block runs, in which retries do not wait; what was seen is told after it."""
    tree = CallTree(watch, boundary)
    arguments = ArgumentsSeen(tree)
    waits = Waits()
    with (
        no_waiting(waits),
        counting(root) as effects,
        tree.growing(),
        arguments.watching(),
    ):
        yield lambda: Conduct(
            kept(tree, root), kept_arguments(arguments, root), dict(effects), waits.seconds
        )


def tries_of(run: Conduct, expected: Conduct) -> int:
    """How often the work that the fault struck was tried; 1 if it was not repeated."""
    return tries(repeated_calls(run.called, expected.called))


def with_conduct(outcome: FaultOutcome, run: Conduct, expected: Conduct) -> FaultOutcome:
    """The outcome with what was repeated. A call that recovered by doing something outside the
    database twice, or from arguments that it had changed, is `repeated-effect`."""
    retried = repeated_calls(run.called, expected.called)
    outcome = replace(outcome, retried=retried)
    if outcome.verdict in _FAILED:
        in_vain = outcome.verdict is Verdict.RETRIED_IN_VAIN
        waited = _waited(run.seconds - expected.seconds) if in_vain else ""
        return replace(
            outcome,
            note=_joined(outcome.note, _multiplied(retried), waited),
            effects=effects_for_nothing(run.effects, expected.effects),
        )
    effects = repeated_effects(run.effects, expected.effects)
    changed = changed_arguments(run.given, expected.given)
    if outcome.verdict is not Verdict.RECOVERED:
        return replace(outcome, effects=(*effects, *changed))
    if not effects and not changed:
        return outcome
    said = [_DONE_TWICE] * bool(effects) + [_BEGAN_OTHERWISE] * bool(changed)
    return replace(
        outcome,
        verdict=Verdict.REPEATED_EFFECT,
        effects=(*effects, *changed),
        note=", and ".join(said),
    )


_FAILED = frozenset({Verdict.REPORTED, Verdict.LEAKED, Verdict.RETRIED_IN_VAIN})
"""The call failed, and nothing of it is stored."""
_DONE_TWICE = "it did again what no rollback takes back"
_BEGAN_OTHERWISE = "a try began with arguments that the one before had changed"


def _multiplied(retried: tuple[Retried, ...]) -> str:
    """`3 x 11 = 33 tries` of nested retries, the outermost first."""
    if not retried[1:]:
        return ""
    factors = " x ".join(str(one.attempts) for one in reversed(retried))
    return f"retries within retries: {factors} = {tries(retried)} tries"


def _waited(seconds: float) -> str:
    """How long the tries would have waited for each other, if that is a second or more."""
    return f"would have waited about {seconds:.0f} s between tries" if seconds >= 1 else ""


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
