"""Query snapshots: the statements of a block, in order with counts, against a reviewed file.

    tests/__queries__/test_labels.txt      one file for each file of tests
    [test_listing]                         one section for each test; ` / NAME` after it if named
         1  SELECT label.id, label.name FROM label
         3  SELECT rule.id FROM rule WHERE rule.label_id = ?  -- lazy load Label.rules

Statements stand in order of first execution, with values, list lengths and generated names left
out, so that equal work gives equal text on every run. No line numbers: moving code changes nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

from auditor.model.tape import CauseKind, Entry, Tape
from auditor.runtime import reviewed_file
from auditor.runtime.expectations import counted_entries
from auditor.runtime.reviewed_file import Lines
from auditor.runtime.tape_text import lines_of

HEADER = "# auditor/queries/1"
FOLDER = "__queries__"
_NOTE = "statements of blocks under `queries.snapshot()`, for review; `{}` writes them"


def file_for(tests: Path) -> Path:
    """Where the snapshots of a file of tests are kept."""
    return tests.parent / FOLDER / f"{tests.stem}.txt"


def section_for(test: str, name: str = "") -> str:
    """The section of a test's snapshot: `test_listing`, `TestLabels::test_listing / after`."""
    return reviewed_file.one_line(f"{test} / {name}" if name else test)


def snapshot_of(tape: Tape) -> Lines:
    """The lines of a block: each statement and cause once, in order of first execution."""
    counts: dict[str, int] = {}
    for entry in counted_entries(tape):
        what = _what(entry)
        counts[what] = counts.get(what, 0) + entry.executions
    return tuple((count, what) for what, count in counts.items())


def difference(known: Lines, tape: Tape) -> str:
    """What a block does that its snapshot does not say, `-` reviewed and `+` now, with the lines of
    the program that execute what is new; empty if there is none."""
    now = snapshot_of(tape)
    if now == known:
        return ""
    shown = tuple(difflib.unified_diff(_text(known), _text(now), lineterm=""))
    wanted = {what for count, what in now if (count, what) not in known}
    new = tuple(entry for entry in counted_entries(tape) if _what(entry) in wanted)
    at = [str(line) for line in lines_of(new)]
    return "\n".join(
        (
            "the statements are not those of the snapshot",
            *(line for line in shown[2:] if not line.startswith("@@")),
            *(("executed at", *at) if at else ()),
        )
    )


def read(path: Path, remedy: str) -> dict[str, Lines]:
    """The snapshots of a file, empty if there is no file. Raises SettingsError."""
    if not path.exists():
        return {}
    return reviewed_file.read(path, header=HEADER, remedy=f"`{remedy}` writes it anew")


def text_of(sections: Mapping[str, Lines], remedy: str) -> str:
    """The file that holds these snapshots; `remedy` is the command that writes it."""
    return reviewed_file.text_of(sections, header=HEADER, note=_NOTE.format(remedy))


def _what(entry: Entry) -> str:
    cause = "" if entry.cause.kind is CauseKind.EXPLICIT else f"  -- {entry.cause}"
    return reviewed_file.one_line(f"{entry.shape}{cause}")


def _text(lines: Lines) -> list[str]:
    return [f"{count:>6}  {what}" for count, what in lines]
