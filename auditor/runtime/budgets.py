"""Measured budgets: how many statements each test executed, and who; later runs may not do more.

    # auditor/budgets/1
    [tests/test_labels.py::test_listing]
         1  select label  in app/labels.py listing (explicit)
         3  select rule  in app/labels.py listing (lazy load Label.rules)

A test regresses when a kind of statement (the first word of a line) is executed more often than its
section says. Places are named without line numbers, so moving code changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from auditor.model.tape import Entry, Tape
from auditor.runtime import reviewed_file
from auditor.runtime.expectations import KINDS, counted_entries, kind_of, kinds_in_words

HEADER = "# auditor/budgets/1"

Measured = Mapping[str, int]
"""Executions by place: `select rule  in app/labels.py listing (lazy load Label.rules)` -> 3."""


@dataclass(frozen=True, slots=True)
class Change:
    """One test against its budget: `grown` says what got worse, `shrunk` what got better, each with
    a difference by place; empty where nothing did."""

    test: str
    grown: str = ""
    shrunk: str = ""


def measured(tape: Tape, shown_path: Callable[[str], str] = str) -> dict[str, int]:
    """The statements of a tape by place, in order of their text. `shown_path` may rewrite paths."""
    counts: Counter[str] = Counter()
    for entry in counted_entries(tape):
        counts[_place(entry, shown_path)] += entry.executions
    return dict(sorted(counts.items()))


def changed(test: str, known: Measured, now: Measured) -> Change:
    """What a test does more, and less, than its budget allows."""
    before, after = kinds(known), kinds(now)
    grown = [kind for kind in KINDS if after[kind] > before[kind]]
    shrunk = [kind for kind in KINDS if after[kind] < before[kind]]
    return Change(
        test,
        grown=_told(known, now, f"over the measured budget: {_moves(before, after, grown)}")
        if grown
        else "",
        shrunk=_moves(before, after, shrunk) if shrunk and not grown else "",
    )


def kinds(places: Measured) -> Counter[str]:
    """Statements by kind."""
    counts: Counter[str] = Counter()
    for place, count in places.items():
        counts[place.partition(" ")[0]] += count
    return counts


def read(path: Path, remedy: str) -> dict[str, dict[str, int]]:
    """The budgets of a file by test. Raises SettingsError."""
    sections = reviewed_file.read(path, header=HEADER, remedy=f"`{remedy}` writes a new one")
    return {test: {what: count for count, what in lines} for test, lines in sections.items()}


def text_of(budgets: Mapping[str, Measured], remedy: str) -> str:
    """The file that holds these budgets; `remedy` is the command that writes it."""
    note = f"statements of each test's own body, set-up left out; `{remedy}` writes them"
    sections: dict[str, Iterable[tuple[int, str]]] = {
        test: [(count, place) for place, count in sorted(places.items())]
        for test, places in budgets.items()
    }
    return reviewed_file.text_of(sections, header=HEADER, note=note)


def _place(entry: Entry, shown_path: Callable[[str], str]) -> str:
    frame = entry.site.frame
    tables = f" {', '.join(entry.tables)}" if entry.tables else ""
    where = f"{shown_path(frame.path)} {frame.function}"
    return reviewed_file.one_line(f"{kind_of(entry.verb)}{tables}  in {where} ({entry.cause})")


def _moves(before: Counter[str], after: Counter[str], which: Iterable[str]) -> str:
    """`select 3 -> 5, insert 0 -> 1`."""
    return ", ".join(f"{kind} {before[kind]} -> {after[kind]}" for kind in which)


def _told(known: Measured, now: Measured, head: str) -> str:
    """The difference by place, what grew most first."""
    moves = {place: now.get(place, 0) - known.get(place, 0) for place in {**known, **now}}
    ordered = sorted((-change, place) for place, change in moves.items() if change)
    lines = [
        f"{-change:>+6}  {place}: {known.get(place, 0)} before, {now.get(place, 0)} now"
        for change, place in ordered
    ]
    total = f"budget {kinds_in_words(kinds(known))}; now {kinds_in_words(kinds(now))}"
    return "\n".join((f"{head} ({total})", *lines))
