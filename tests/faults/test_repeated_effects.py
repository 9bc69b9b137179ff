from __future__ import annotations

import asyncio
import functools
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from auditor.faults.conduct.conduct import conduct_watched
from auditor.faults.strike.inject import Watch
from auditor.faults.sweep.bench import make_call
from auditor.faults.sweep.run import sweep
from auditor.model.outcome import FaultOutcome, Verdict
from tests.faults import retrying_programs as programs

RECOVERED, REPEATED, LEAKED = Verdict.RECOVERED, Verdict.REPEATED_EFFECT, Verdict.LEAKED


def line_of(program: Callable[..., Any], text: str) -> int:
    """The line of a function, as functions are numbered, that has a text."""
    code = program.__wrapped__.__code__ if hasattr(program, "__wrapped__") else program.__code__
    lines = Path(code.co_filename).read_text().splitlines()
    return next(n for n in range(code.co_firstlineno, len(lines)) if text in lines[n - 1])


def place(program: Callable[..., Any], text: str, name: str = "") -> str:
    name = name or program.__name__
    path = f"{program.__module__.replace('.', '/')}.py"
    return f"{path}:{line_of(program, text)} in {name}"


def told(outcomes: tuple[FaultOutcome, ...]) -> list[tuple[Verdict, tuple[str, ...]]]:
    return [(one.verdict, one.effects) for one in outcomes]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are written where nobody minds."""
    monkeypatch.setattr(programs, "OUTBOX", tmp_path / "outbox.txt")


@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mariadb"], indirect=True)
def test_what_a_try_sends_is_sent_again_by_the_next(database: str) -> None:
    found = told(sweep(programs.workload(programs.tells_in_the_try), database=database))
    sent = f"`Popen` at {place(programs.tell, 'subprocess.run')}"
    assert found == [
        (RECOVERED, ()),
        (REPEATED, (f"started 2 subprocesses instead of 1: {sent}",)),
    ]


@pytest.mark.parametrize(
    "program",
    [
        programs.tells_after_it,
        programs.tells_of_the_failure,
        programs.reads_a_file_in_the_try,
        programs.keeps_a_temporary_file_in_the_try,
    ],
)
def test_what_is_done_once_or_because_of_the_fault_is_not_repeated(
    program: Callable[[programs.Store], None],
) -> None:
    assert set(told(sweep(programs.workload(program)))) == {(RECOVERED, ())}


def test_files_that_libraries_open_to_lock_them_are_not_told() -> None:
    pytest.importorskip("oslo_concurrency")
    outcomes = sweep(programs.workload(programs.locks_a_file_in_the_try))
    assert told(outcomes) == [(RECOVERED, ())]


def test_a_file_that_each_try_writes_is_told() -> None:
    program = programs.writes_a_file_in_the_try
    assert told(sweep(programs.workload(program))) == [
        (
            REPEATED,
            (f"changed 2 files instead of 1: `open` at {place(program, 'OUTBOX.open')}",),
        )
    ]


@pytest.mark.parametrize(
    ("program", "sent", "name"),
    [
        (programs.tells_a_mock_in_the_try, "sent 2 messages", "notifier.info"),
        (programs.mails_through_a_patch_in_the_try, "sent 2 mails", "SMTP().sendmail"),
    ],
)
def test_a_mock_counts_as_what_it_stands_for(
    program: Callable[..., Any], sent: str, name: str
) -> None:
    where = place(program, name.rpartition("(")[2].lstrip(")"), f"{program.__name__}.create")
    effect = f"{sent} instead of 1: `{name}` at {where}"
    assert told(sweep(programs.workload(program))) == [(REPEATED, (effect,))]


def test_what_a_failed_call_had_sent_is_told_beside_its_verdict() -> None:
    sent = f"`Popen` at {place(programs.tell, 'subprocess.run')}"
    assert told(sweep(programs.workload(programs.tells_and_fails))) == [
        (LEAKED, (f"started 1 subprocess for what was not stored: {sent}",))
    ]


def test_a_loop_that_goes_on_with_the_next_repeats_nothing() -> None:
    outcomes = sweep(programs.workload(programs.tells_of_each_and_goes_on))
    assert [(one.verdict, one.retried, one.effects) for one in outcomes] == [
        (Verdict.HALF_COMMITTED, (), ()),
        (Verdict.HALF_COMMITTED, (), ()),
    ]


def _given(function: Callable[..., Any], make: Callable[[], tuple[Any, ...]]) -> Any:
    @functools.wraps(function, updated=())
    def call(own: programs.Store) -> None:
        function(own, *make())

    return call


@pytest.mark.parametrize(
    ("function", "make", "changed"),
    [
        (programs.appends, lambda: ([],), ["`seen` was 0 items, then 1 item"]),
        (
            programs.marks,
            lambda: (programs.Request("a"),),
            ["`request.seen` was 0 items, then 1 item"],
        ),
        (programs.renames, lambda: ({"name": " a"},), ["`body['name']` was ' a', then 'a'"]),
        (
            programs.counts_up,
            lambda: ({"name": "a"},),
            [
                "`body['tries']` was left as 2 items instead of 1 item",
                "`body['tries'][1]` was left as 1 instead of none",
            ],
        ),
    ],
)
def test_arguments_that_a_try_changes_before_the_next_are_told(
    function: Callable[..., Any], make: Callable[[], tuple[Any, ...]], changed: list[str]
) -> None:
    where = place(function, "@", function.__name__)
    assert told(sweep(programs.workload(_given(function, make)))) == [
        (REPEATED, tuple(f"changed an argument: {one}: {where}" for one in changed))
    ]


@pytest.mark.parametrize(
    ("function", "make"),
    [
        (programs.fills_in, lambda: ({"name": "a"},)),
        (programs.copies, lambda: ({"name": "a", "links": []}, [])),
        (lambda own: programs.Service().create(own), tuple),
    ],
)
def test_arguments_that_are_copied_or_only_filled_in_are_left_alone(
    function: Callable[..., Any], make: Callable[[], tuple[Any, ...]]
) -> None:
    assert told(sweep(programs.workload(_given(function, make)))) == [(RECOVERED, ())]


def _retried(program: Callable[..., Any], mode: str) -> list[Any]:
    return [
        (one.verdict, one.attempts, [(r.function.function, r.attempts) for r in one.retried])
        for one in sweep(programs.workload(program), mode=mode)
    ]


@pytest.mark.parametrize(
    ("program", "tries", "gives_up"),
    [
        (programs.by_own_decorator, 3, Verdict.MASKED),
        (programs.by_hand, 3, Verdict.MASKED),
        (programs.inner, 11, Verdict.RETRIED_IN_VAIN),
    ],
)
def test_tries_are_counted_whoever_makes_them(
    program: Callable[..., Any], tries: int, gives_up: Verdict
) -> None:
    name = program.__name__
    assert _retried(program, "once") == [(RECOVERED, 2, [(name, 2)])]
    assert _retried(program, "persistent") == [(gives_up, tries, [(name, tries)])]


def test_nested_retries_are_multiplied_out() -> None:
    (outcome,) = sweep(programs.workload(programs.outer), mode="persistent")
    assert [(r.function.function, r.attempts) for r in outcome.retried] == [
        ("inner", 11),
        ("outer", 3),
    ]
    assert (outcome.verdict, outcome.attempts) == (Verdict.RETRIED_IN_VAIN, 33)
    assert outcome.note == (
        "tried 33 times; retries within retries: 3 x 11 = 33 tries;"
        " would have waited about 200 s between tries"
    )


def test_a_loop_over_different_work_is_no_retry() -> None:
    assert _retried(programs.each_once, "once") == [
        (LEAKED, 1, []),
        (Verdict.HALF_COMMITTED, 1, []),
    ]


def test_a_try_with_other_values_counts_as_one() -> None:
    (outcome,) = sweep(programs.workload(_given(programs.with_other_values, lambda: ([],))))
    assert (outcome.verdict, outcome.attempts) == (Verdict.HALF_COMMITTED, 2)


def _watched() -> list[Any]:
    own = programs.by_own_decorator.__closure__ or ()
    return [
        subprocess.Popen.__init__,
        open,
        os.replace,
        asyncio.sleep,
        mock.NonCallableMock,
        vars(mock.Mock.__mro__[1])["_mock_call"],
        *(cell.cell_contents for cell in own),
    ]


def test_everything_that_is_watched_is_itself_again_afterwards() -> None:
    before = _watched()
    watch = Watch(None, make_call.__code__, "")
    with watch.watching(), conduct_watched(watch, make_call.__code__, ""):
        during = _watched()
    unchanged = [one is other for one, other in zip(before, during, strict=True)]
    assert unchanged == [False, False, False, False, True, False, False]
    assert all(one is other for one, other in zip(before, _watched(), strict=True))
