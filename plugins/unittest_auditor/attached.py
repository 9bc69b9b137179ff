"""What is attached to a test that can carry details (testtools, and so subunit and stestr): all its
statements, each with the way the program came to it. A failure's message has the first ten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from auditor.model.tape import Entry, Tape
from auditor.runtime.expectations import counted_entries
from auditor.runtime.tape_text import counted

DETAIL = "queries"
MOST = 200


def attach(case: Any, tape: Tape, name: str = DETAIL) -> None:
    """Adds the statements of a tape to a test; nothing if it carries no details."""
    if not hasattr(case, "addDetailUniqueName"):
        return
    from testtools.content import text_content  # lazy: only who has details has testtools

    case.addDetailUniqueName(name, text_content("\n".join(told(tape))))


def told(tape: Tape) -> Iterator[str]:
    """The statements of a tape, most executions first, each with its call path from inside out."""
    entries = sorted(counted_entries(tape), key=lambda entry: -entry.executions)
    total = sum(entry.executions for entry in entries)
    yield f"{counted(total, 'statement')}, {counted(tape.rows, 'row')} fetched"
    for entry in entries[:MOST]:
        yield from _entry(entry)
    if len(entries) > MOST:
        yield f"and {len(entries) - MOST} more places"


def _entry(entry: Entry) -> Iterator[str]:
    yield f"{entry.executions:>6} x  {entry.cause}: {entry.shape}"
    for frame in entry.site.stack:
        yield f"          {frame}"
