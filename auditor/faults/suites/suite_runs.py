"""The runs of a test: each in a fork of the process that has loaded it, judged there.

What is judged is the step of the fault, the call that the test had made into the program: a test
makes many, and that the steps before have stored something is no half commit.

    passed                                the program hid the fault: result and state decide
    the program's error ends the test     as for a scenario, on the state of the step
    a check of the test fails             the program had returned: `swallowed`, unless a response
                                          tells: status 4xx or 503 `reported`, other 5xx `leaked`
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import configure_mappers

from auditor.faults.aim.keys import TableKeys
from auditor.faults.aim.plan import Point
from auditor.faults.aim.shots import Executed, Shot
from auditor.faults.catalogue.fault import FaultError, Moment
from auditor.faults.state.canonical import Mask
from auditor.faults.state.held_state import EnginesUsed, HeldState, State
from auditor.faults.state.oracle import Delta, delta, known_ids
from auditor.faults.suites.body import Body, Seen
from auditor.faults.suites.forked import Deliver, Died, Done, Hung, forked
from auditor.faults.suites.steps import TestSide, noticed
from auditor.faults.suites.suites import RunTest, SkippedTestError
from auditor.faults.sweep.bench import Run, repeatable_values
from auditor.faults.sweep.repeatable import GiveUp, Learned
from auditor.faults.verdicts.judge import class_name
from auditor.faults.verdicts.outcomes import Request, judged_outcome
from auditor.growth.load_order import settle_load_order
from auditor.model.errors import ScenarioError
from auditor.model.outcome import FaultOutcome, Verdict

_PASSED = ("passed",)
_UNAVAILABLE = 503
_SERVER_ERROR = 500
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_LONGEST_LINE = 160  # characters


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a run without a fault taught. `steps` are what each step changed, by number;
    `step_of` and `step_of_commit` by ordinal, from 1. `unread`: why no state could be read.
    `is_all_own`: the test itself sends all statements."""

    learned: Learned
    steps: Mapping[int, Delta]
    step_of: tuple[int, ...]
    step_of_commit: tuple[int, ...]
    dead_sessions: int
    unread: str
    is_all_own: bool


@dataclass(frozen=True, slots=True)
class _Failed:
    """The run cannot be used, and why. `is_ours`: the fault could not be made."""

    message: str
    is_ours: bool = False


class SuiteRuns:
    """A test that is loaded in this process; see `Repeatable`."""

    def __init__(self, request: Request, run_test: RunTest) -> None:
        self._request = request
        self._run_test = run_test
        self._lesson: Lesson | None = None
        self._is_alone = False
        self._is_random = False

    def fault_free(self, *, repeated: bool) -> Learned:
        """See `Repeatable`."""
        _settle()
        try:
            first, lesson = self._learn_twice(repeated=repeated)
        except ScenarioError:
            if repeated:
                raise
            self._is_random = True  # names made by chance may have to be new in a lasting database
            first, lesson = self._learn_twice(repeated=repeated)
        difference = _difference(first, lesson)
        if difference:
            raise ScenarioError(
                f"test `{self._name}` does not repeat itself, so a fault's effect cannot be told:"
                f" {difference}"
            )
        self._lesson = lesson
        return lesson.learned

    def outcome(
        self, point: Point, expected: Learned, pending: FaultOutcome, give_up: GiveUp
    ) -> FaultOutcome:
        """See `Repeatable`. A run that hangs costs its fork only."""
        lesson = self._lesson
        assert lesson is not None  # noqa: S101 - learned first
        judge = _Judge(self._request, point, lesson, pending)

        def run(deliver: Deliver) -> None:
            failure = self._run_body(
                point.shot, lambda seen, _, side: deliver(judge.outcome(seen, side))
            )
            deliver(_Failed(failure))

        match self._forked(run):
            case Done(FaultOutcome() as outcome):
                return outcome
            case Done(_Failed(message, is_ours=True)):
                raise FaultError(message)
            case Done(_Failed(message)):
                note = f"the test did not come to its body: {message}"
                return replace(pending, verdict=Verdict.NOT_REACHED, attempts=0, note=note)
            case Hung(stack):
                note = f"the test did not end within {self._request.seconds:g} seconds"
                return replace(pending, verdict=Verdict.HUNG, traceback=stack, note=note)
            case Died(status):
                return replace(pending, note=f"the test ended its process: {status}")
        raise AssertionError  # nothing else is delivered

    def _learn_twice(self, *, repeated: bool) -> tuple[Lesson, Lesson]:
        first = self._learn()
        if first.is_all_own:
            self._is_alone = True
            first = self._learn()
        return first, first if repeated else self._learn()

    @property
    def _name(self) -> str:
        return self._request.scenario.name

    def _learn(self) -> Lesson:
        def run(deliver: Deliver) -> None:
            lessons: list[Lesson] = []
            failure = self._run_body(
                None, lambda seen, held, _: lessons.append(_lesson(seen, held))
            )
            if not failure and not lessons:
                failure = "its body was not run"
            deliver(_Failed(failure) if failure else lessons[0])

        match self._forked(run):
            case Done(Lesson() as lesson):
                return lesson
            case Done(_Failed(message)):
                skips = message.startswith(("it is skipped", "it is expected"))
                kind = SkippedTestError if skips else ScenarioError
                raise kind(f"test `{self._name}` does not pass without a fault: {message}")
            case Hung():
                raise ScenarioError(
                    f"test `{self._name}` did not end within {self._request.seconds:g} seconds,"
                    " without a fault"
                )
            case Died(status):
                raise ScenarioError(
                    f"test `{self._name}` ended its process without a fault: {status}"
                )
        raise AssertionError  # nothing else is delivered

    def _forked(self, run: Any) -> Any:
        return forked(run, seconds=self._request.seconds, root=self._request.root)

    def _run_body(
        self, shot: Shot | None, ended: Callable[[Seen, HeldState, TestSide], None]
    ) -> str:
        used = EnginesUsed()
        bodies: list[Body] = []

        def around(side: TestSide) -> Body:
            side = replace(side, is_alone=self._is_alone)
            bodies.append(Body(side, used, shot, self._request.root, ended))
            return bodies[-1]

        values = nullcontext() if self._is_random else repeatable_values()
        with values, used.watching():
            return self._run_test(around)


def _settle() -> None:
    """One order of eager loads before anything of it is compiled."""
    with suppress(Exception):  # of models that are not complete without what the test sets up
        configure_mappers()
    settle_load_order()


def _lesson(seen: Seen, held: HeldState) -> Lesson:
    keys = held.keys()
    unread = seen.after.unknown
    change = _delta(seen, seen.before, seen.after, keys)
    learned = Run(seen.watch, None, change, _PASSED, _PASSED, 0, conduct=seen.conduct).learned(keys)
    learned = replace(
        learned,
        statements=_sparing(learned.statements, seen.own),
        commits=_sparing(learned.commits, seen.own_commits),
    )
    steps = {step: _delta(seen, *seen.states_of(step), keys) for step in seen.at_step}
    return Lesson(
        learned=learned,
        steps=steps,
        step_of=tuple(seen.step_of),
        step_of_commit=tuple(seen.step_of_commit),
        dead_sessions=seen.dead_sessions,
        unread=unread,
        is_all_own=len(seen.own) == len(seen.watch.statements) > 0,
    )


def _sparing(executed: Sequence[Executed], own: set[int]) -> tuple[Executed, ...]:
    """Marks what the test itself sends; nothing if it sends everything: then it is the program."""
    if own.issuperset(one.ordinal for one in executed):
        return tuple(executed)
    return tuple(replace(one, spared=one.ordinal in own) for one in executed)


def _delta(seen: Seen, before: State, after: State, keys: Mapping[str, TableKeys]) -> Delta:
    mask = Mask(known_ids(before.tables), seen.began, seen.ended)
    return delta(before.tables, after.tables, mask, keys, volatile=frozenset())


def _difference(first: Lesson, second: Lesson) -> str:
    """How two runs without a fault differ; empty if they do not."""
    one, other = first.learned, second.learned
    for left, right in zip(one.statements, other.statements, strict=False):
        if (left.shape, left.site) != (right.shape, right.site):
            return f"statement {left.ordinal} is `{left.shape[:80]}` and then `{right.shape[:80]}`"
    if len(one.statements) != len(other.statements):
        return f"it executed {len(one.statements)} and then {len(other.statements)} statements"
    if one.delta != other.delta and not first.unread:
        tables = sorted(
            name
            for name in {*one.delta, *other.delta}
            if one.delta.get(name) != other.delta.get(name)
        )
        return f"what it stores in {', '.join(f'`{name}`' for name in tables)} differs"
    return ""


@dataclass(frozen=True, slots=True, eq=False)
class _Judge:
    """Judges the body of one run, in the process that ran it."""

    request: Request
    point: Point
    lesson: Lesson
    pending: FaultOutcome

    def outcome(self, seen: Seen, side: TestSide) -> FaultOutcome | _Failed:
        """The outcome, or why the fault could not be made."""
        defect = seen.watch.defect
        if defect is not None:
            fault = self.point.shot.fault.name
            said = f"{type(defect).__name__}: {defect}"
            return _Failed(f"the fault `{fault}` could not be made: {said}", is_ours=True)
        if seen.error is None:
            return self._of_passed(seen)
        check = noticed(seen.error, side, seen.watch.shown)
        if check is None or check.cause is not None:
            return self._of_raised(seen, seen.error if check is None else check.cause)
        return self._of_noticed(seen, check.status)

    def _of_passed(self, seen: Seen) -> FaultOutcome:
        expected, now = self.lesson.learned, self._delta(seen, seen.before, seen.after)
        if self._is_unknown(seen):
            now = expected.delta
        outcome = self._judged(seen, None, _PASSED, now, expected)
        return self._with_doubt(outcome, seen)

    def _of_raised(self, seen: Seen, error: BaseException | None) -> FaultOutcome:
        now, expected = self._of_step(seen)
        result = (class_name(error),) if error else ()
        return self._with_doubt(self._judged(seen, error, result, now, expected), seen)

    def _of_noticed(self, seen: Seen, status: int) -> FaultOutcome:
        now, expected = self._of_step(seen)
        outcome = self._judged(seen, None, ("noticed",), now, expected)
        if not seen.watch.fired:
            return outcome
        stored = self.point.shot.fault.moment is Moment.AFTER_COMMIT  # before it struck
        if status and seen.step_of[-1:] == [self._step]:
            return self._with_doubt(
                _of_status(outcome, status, is_unchanged=not now or stored), seen
            )
        note = f"the program returned, and the test noticed: {_first_line(seen.error)}"
        return self._with_doubt(replace(outcome, note=note), seen)

    def _judged(
        self,
        seen: Seen,
        error: BaseException | None,
        result: object,
        now: Delta,
        expected: Learned,
    ) -> FaultOutcome:
        dead = max(0, seen.dead_sessions - self.lesson.dead_sessions)
        run = Run(seen.watch, error, now, result, result, dead, conduct=seen.conduct)
        return judged_outcome(self.request, self.point, run, expected, self.pending)

    def _of_step(self, seen: Seen) -> tuple[Delta, Learned]:
        """What the step of the fault has changed, and what it changes without one."""
        learned = self.lesson.learned
        if self._is_unknown(seen):
            return {}, replace(learned, delta={})
        wanted = self.lesson.steps.get(self._step, {})
        return self._delta(seen, *seen.states_of(self._step)), replace(learned, delta=wanted)

    def _delta(self, seen: Seen, before: State, after: State) -> Delta:
        return _delta(seen, before, after, self.lesson.learned.keys)

    @property
    def _step(self) -> int:
        """The number of the step that the fault is aimed at."""
        is_commit = self.point.shot.fault.moment.unit == "COMMIT"
        steps = self.lesson.step_of_commit if is_commit else self.lesson.step_of
        ordinal = self.point.shot.point.ordinal
        return steps[ordinal - 1] if ordinal <= len(steps) else 0

    def _is_unknown(self, seen: Seen) -> bool:
        return bool(self._doubt(seen))

    def _doubt(self, seen: Seen) -> str:
        """Why it cannot be told what is stored; empty if it can."""
        if seen.after.unknown:
            return f"the state of the database could not be read: {seen.after.unknown}"[:200]
        if seen.error is not None and seen.is_shared and self._step in seen.open_at_step:
            return "the test had a transaction open: what is stored is not known"
        return ""

    def _with_doubt(self, outcome: FaultOutcome, seen: Seen) -> FaultOutcome:
        doubt = self._doubt(seen)
        note = "; ".join(part for part in (outcome.note, doubt) if part)
        return replace(outcome, note=note) if doubt else outcome


def _first_line(error: BaseException | None) -> str:
    """The class of an error and the first line of its message, without addresses."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = _ADDRESS.sub("", lines[0])[:_LONGEST_LINE] if lines else ""
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _of_status(outcome: FaultOutcome, status: int, *, is_unchanged: bool) -> FaultOutcome:
    """The program had made a response of the error, and the test looked at its status."""
    note = f"the response has the status {status}"
    is_report = status < _SERVER_ERROR or status == _UNAVAILABLE
    if not is_unchanged:
        stored = f"{note}, and work of the call is stored"
        return replace(outcome, verdict=Verdict.HALF_COMMITTED, note=stored)
    if is_report:
        verdict = Verdict.REPORTED
    else:
        is_retried = outcome.attempts > 1
        verdict = Verdict.RETRIED_IN_VAIN if is_retried else Verdict.LEAKED
    return replace(outcome, verdict=verdict, note=note, escaped=f"HTTP {status}", changes=())
