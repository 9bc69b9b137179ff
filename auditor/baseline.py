"""The baseline: findings that are known, in a text file that people review.

    # auditor/baseline/1
    # fingerprint      code    path  function  message
    0f3a5c7e9b1d2f40  DBA301  pkg/sync.py  sync  a query for each `label`

Fingerprint and code decide; the rest of a line is for the reader. Lines are sorted by path, code,
function and message, so a change of the file shows what changed in the code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from auditor.model.errors import SettingsError
from auditor.model.finding import Finding, Problem
from auditor.model.report import Report

HEADER = "# auditor/baseline/1"
_COLUMNS = "# fingerprint      code    path  function  message"
_LINE = re.compile(
    r"(?P<fingerprint>[0-9a-f]{16})  (?P<code>[A-Z]+\d{3})  (?P<path>.+?)  (?P<rest>.+)"
)


@dataclass(frozen=True, slots=True)
class Known:
    """One line of a baseline. `rest` is function and message, as written."""

    fingerprint: str
    code: str
    path: str
    rest: str
    line: int


def text_of(findings: Iterable[Finding]) -> str:
    """The baseline file that hides these findings."""
    rows = sorted(
        (f.span.path, f.code, f.function, " ".join(f.message.split()), f.fingerprint)
        for f in findings
    )
    lines = [
        f"{fingerprint}  {code}  {path}  {function}  {message}"
        for path, code, function, message, fingerprint in rows
    ]
    return "\n".join([HEADER, _COLUMNS, *lines]) + "\n"


def read(path: Path) -> tuple[Known, ...]:
    """The known findings of a baseline file.

    Raises SettingsError, with the line, if the file cannot be read or is not a baseline.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise SettingsError(f"cannot read the baseline `{path}`: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"the baseline `{path}` is not UTF-8 text") from error
    lines = text.splitlines()
    if not lines or lines[0].strip() != HEADER:
        found = f"`{lines[0][:60]}`" if lines else "an empty file"
        raise SettingsError(
            f"{path}:1: {found} is not the first line of a baseline, `{HEADER}`;"
            " write a new one with `--write-baseline`"
        )
    if not text.endswith("\n"):
        raise SettingsError(
            f"{path}:{len(lines)}: the file ends in the middle of a line, as if half written;"
            " write a new one with `--write-baseline`, or end the line"
        )
    numbered = enumerate(lines[1:], 2)
    return tuple(_known(path, number, line) for number, line in numbered if _is_entry(line))


def hide(
    report: Report,
    known: Iterable[Known],
    name: str,
    in_scope: Callable[[Known], bool] | None = None,
) -> Report:
    """The report without its known findings; known ones that are in scope and were not found again
    are listed as Problems that hide nothing. `counted["baselined"]` says how many are hidden."""
    entries: Mapping[tuple[str, str], Known] = {(k.code, k.fingerprint): k for k in known}
    hidden = {(f.code, f.fingerprint) for f in report.findings} & set(entries)
    kept = tuple(f for f in report.findings if (f.code, f.fingerprint) not in hidden)
    stale = tuple(
        Problem(
            f"{name}:{entry.line}",
            f"{entry.code} in `{entry.path}` was not found any more: remove the line,"
            " or write the baseline anew",
        )
        for key, entry in entries.items()
        if key not in hidden and in_scope is not None and in_scope(entry)
    )
    count = len(report.findings) - len(kept)
    return replace(
        report,
        findings=kept,
        problems=report.problems + stale,
        counted={**report.counted, "baselined": report.counted.get("baselined", 0) + count},
    )


def _is_entry(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _known(path: Path, number: int, line: str) -> Known:
    found = _LINE.fullmatch(line.rstrip())
    if found is None:
        raise SettingsError(
            f"{path}:{number}: `{line[:60]}` is not a line of a baseline, which is"
            " `fingerprint  code  path  function  message` with two spaces between"
        )
    return Known(found["fingerprint"], found["code"], found["path"], found["rest"], number)
