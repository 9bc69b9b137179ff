"""The baseline: findings that are known, in a text file that people review.

    # auditor/baseline/1
    # fingerprint      code    path  function  message
    0f3a5c7e9b1d2f40  DBA301  pkg/sync.py  sync  a query for each `label`

Fingerprint and code decide; the rest of a line is for the reader. Lines are sorted by path, code,
function and message, so a change of the file shows what changed in the code.

What was moved or written in another way has another fingerprint. A known finding that was not found
again stands for one that was not known, if code, message and function are the same and the path or
the name of the file is, or if all but the path is: one for one, so that the number never grows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from auditor.model.errors import SettingsError
from auditor.model.finding import Finding, Problem
from auditor.model.report import Report

HEADER = "# auditor/baseline/1"
_COLUMNS = "# fingerprint      code    path  function  message"
_LINE = re.compile(
    r"(?P<fingerprint>[0-9a-f]{16})  (?P<code>[A-Z]+\d{3})  (?P<path>.+?)  (?P<rest>.+)"
)
_CONFLICT = re.compile(r"(<{7}|>{7}|={7}|\|{7})( |$)")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Known:
    """One line of a baseline. `rest` is function and message, as written."""

    fingerprint: str
    code: str
    path: str
    rest: str
    line: int

    @property
    def told(self) -> Told:
        """What the line says of the finding."""
        function, _, message = self.rest.partition("  ")
        return Told(self.code, self.path, function, message)


class Told(NamedTuple):
    """What is said of a finding, whatever its line; the message on one line."""

    code: str
    path: str
    function: str
    message: str


_ALIKE: tuple[Callable[[Told], tuple[str, ...]], ...] = (
    lambda one: (one.code, _words(one), one.function, one.path),
    lambda one: (one.code, _words(one), one.function, PurePosixPath(one.path).name),
    lambda one: (one.code, _words(one), one.function.rpartition(".")[2], one.path),
    lambda one: (one.code, _words(one), one.function),
)
"""What agrees in findings that may be one and the same, the likeliest first."""


def told_of(finding: Finding) -> Told:
    """What a line of a baseline says of a finding."""
    message = " ".join(finding.message.split())
    return Told(finding.code, finding.span.path, finding.function, message)


def moved(now: Sequence[Told], gone: Sequence[Told]) -> dict[int, int]:
    """Which of the findings that are there now are those that are gone, at another place or in
    another form: positions in `now` to positions in `gone`, each at most once."""
    found: dict[int, int] = {}
    for alike in _ALIKE:
        left: dict[tuple[str, ...], list[int]] = {}
        taken = frozenset(found.values())
        for old, one in enumerate(gone):
            if old not in taken:
                left.setdefault(alike(one), []).append(old)
        for new, one in enumerate(now):
            if new not in found and left.get(alike(one)):
                found[new] = left[alike(one)].pop(0)
    return found


def _words(one: Told) -> str:
    return _NUMBER.sub("#", one.message)


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
    are taken for moved ones, or listed as Problems that hide nothing. `counted["baselined"]` says
    how many are hidden."""
    entries: Mapping[tuple[str, str], Known] = {(k.code, k.fingerprint): k for k in known}
    hidden = {(f.code, f.fingerprint) for f in report.findings} & set(entries)
    kept = tuple(f for f in report.findings if (f.code, f.fingerprint) not in hidden)
    gone = tuple(
        entry
        for key, entry in entries.items()
        if key not in hidden and in_scope is not None and in_scope(entry)
    )
    pairs = moved([told_of(finding) for finding in kept], [entry.told for entry in gone])
    changed = [(kept[new], gone[old]) for new, old in pairs.items()]
    kept = tuple(finding for number, finding in enumerate(kept) if number not in pairs)
    stale = tuple(
        Problem(
            f"{name}:{entry.line}",
            f"{entry.code} in `{entry.path}` was not found any more: remove the line,"
            " or write the baseline anew",
        )
        for number, entry in enumerate(gone)
        if number not in pairs.values()
    )
    count = len(report.findings) - len(kept)
    return replace(
        report,
        findings=kept,
        problems=(*report.problems, *_moves(name, changed), *stale),
        counted={**report.counted, "baselined": report.counted.get("baselined", 0) + count},
    )


def _moves(name: str, changed: Sequence[tuple[Finding, Known]]) -> tuple[Problem, ...]:
    """That the baseline is out of date; not where the same file is only named from elsewhere."""
    real = [(f, k) for f, k in changed if not _is_same_file(f.span.path, k.path)]
    if not real:
        return ()
    finding, entry = real[0]
    are = "1 known finding was" if len(real) == 1 else f"{len(real)} known findings were"
    said = (
        f"{are} moved or rewritten, such as {entry.code}, now at {finding.span.path}:"
        f"{finding.span.line}: write the baseline anew before it loses track"
    )
    return (Problem(f"{name}:{entry.line}", said),)


def _is_same_file(one: str, other: str) -> bool:
    """Whether two different paths may be of one file, seen from two folders."""
    shorter, longer = sorted((one, other), key=len)
    return longer.endswith(f"/{shorter}")


def _is_entry(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _known(path: Path, number: int, line: str) -> Known:
    found = _LINE.fullmatch(line.rstrip())
    if _CONFLICT.match(line):
        raise SettingsError(
            f"{path}:{number}: `{line[:60]}` is left of a merge: remove the marks and keep the"
            " lines of both sides, or write the baseline anew"
        )
    if found is None:
        raise SettingsError(
            f"{path}:{number}: `{line[:60]}` is not a line of a baseline, which is"
            " `fingerprint  code  path  function  message` with two spaces between"
        )
    return Known(found["fingerprint"], found["code"], found["path"], found["rest"], number)
