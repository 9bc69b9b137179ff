"""The baseline of laws: a text file that people review, one line for each law.

    # auditor/laws/1
    # scenario  database  measure  law
    # agreed on in the review of the metering agent
    metering_sync  postgresql  statements  4 + 3*labels
    metering_sync  sqlite  statements  4 + 3*labels

Two spaces are between columns. Lines are sorted; a comment stays with the line below it. A law may
be written in any way that means the same (`labels*3 + 4`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from auditor.growth.compare import STATEMENTS, change_since
from auditor.model.contract import KINDS, MEASURES, law_of_measure
from auditor.model.errors import SettingsError
from auditor.model.finding import Problem
from auditor.model.law import Law, LawChange, LawResult
from auditor.model.law_expression import law_written

HEADER = "# auditor/laws/1"
_COLUMNS = "# scenario  database  measure  law"
_BETWEEN = re.compile(r" {2,}|\t+")
_ORDER = (*MEASURES, *KINDS)
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class KnownLaw:
    """A line of the file: the law of a measure of a scenario on a database. `comments` are the
    lines above it, `line` its number."""

    scenario: str
    database: str
    measure: str
    law: Law
    comments: tuple[str, ...] = ()
    line: int = 0

    @property
    def key(self) -> tuple[str, str, int]:
        """Identifies the line, and sorts it."""
        return (self.scenario, self.database, _ORDER.index(self.measure))


@dataclass(frozen=True, slots=True)
class LawFile:
    """The lines of a baseline in order, and the comments behind the last of them."""

    laws: tuple[KnownLaw, ...] = ()
    end: tuple[str, ...] = ()


def read_to_write(path: Path) -> LawFile:
    """The baseline that a file holds before it is written again: of no laws where there is no file,
    or nothing in it. Raises SettingsError as `read`."""
    if not path.exists() or (path.is_file() and not path.stat().st_size):
        return LawFile()
    return read(path)


def read(path: Path) -> LawFile:
    """The baseline in a file. Raises SettingsError, with the line, if it cannot be read or is no
    baseline of laws."""
    try:
        text = path.read_text("utf-8-sig")  # editors may put a mark before it
    except OSError as error:
        raise SettingsError(f"cannot read the baseline `{path}`: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"the baseline `{path}` is not UTF-8 text") from error
    lines = text.splitlines()
    if not lines or lines[0].strip() != HEADER:
        found = f"`{lines[0][:60]}`" if lines else "an empty file"
        raise SettingsError(
            f"{path}:1: {found} is not the first line of a baseline of laws, `{HEADER}`; write a"
            " new one with `--write-baseline`, in another place or after deleting this"
        )
    if not text.endswith("\n"):
        raise SettingsError(
            f"{path}:{len(lines)}: the file ends in the middle of a line, as if half written;"
            " end the line, or delete the file and write a new one with `--write-baseline`"
        )
    return _parsed(path, lines)


def text_of(file: LawFile) -> str:
    """The file as it is written."""
    lines = [HEADER, _COLUMNS]
    ordered = sorted(file.laws, key=lambda one: one.key)
    for known, line in zip(ordered, lines_of(file), strict=True):
        lines += [*known.comments, line]
    return "\n".join((*lines, *file.end)) + "\n"


def lines_of(file: LawFile) -> tuple[str, ...]:
    """The lines of its laws, in order."""
    return tuple(
        "  ".join((known.scenario, known.database, known.measure, str(known.law)))
        for known in sorted(file.laws, key=lambda one: one.key)
    )


def updated(file: LawFile, results: Sequence[LawResult], measures: Sequence[str]) -> LawFile:
    """The file with what was measured now: the measures asked for, and those that have a line
    already. Lines of other scenarios and of laws that were refused stay as they are."""
    laws = {known.key: known for known in file.laws}
    for result in results:
        for measure in _measures_of(file, result, measures):
            law = law_of_measure(result, measure)
            if law is not None:
                new = KnownLaw(_name(result.scenario), result.database, measure, law)
                old = laws.get(new.key)
                laws[new.key] = replace(new, comments=old.comments if old else ())
    return LawFile(tuple(laws.values()), file.end)


def compared_with(
    file: LawFile, name: str, results: Sequence[LawResult], measures: Sequence[str]
) -> tuple[LawResult, ...]:
    """The results, each with what became of its laws since the baseline `name` was written."""
    laws = {known.key: known.law for known in file.laws}

    def changes(result: LawResult) -> Iterator[LawChange]:
        for measure in _measures_of(file, result, measures):
            found = change_since(name, measure, laws.get(_key(result, measure)), result)
            if found is not None:
                yield found

    return tuple(replace(one, changes=(*one.changes, *changes(one))) for one in results)


def not_measured(file: LawFile, name: str, results: Sequence[LawResult]) -> tuple[Problem, ...]:
    """A Problem that hides nothing if the baseline has laws of scenarios that were not measured."""
    measured = {(_name(result.scenario), result.database) for result in results}
    left = [known for known in file.laws if (known.scenario, known.database) not in measured]
    if not left:
        return ()
    named = list(dict.fromkeys(f"`{one.scenario}` on {one.database}" for one in left))
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return (
        Problem(
            f"{name}:{left[0].line}",
            f"not measured in this run: {', '.join(named[:_MOST_NAMED])}{more}; delete the lines of"
            " scenarios that are no more",
        ),
    )


def _measures_of(file: LawFile, result: LawResult, asked: Sequence[str]) -> tuple[str, ...]:
    """The measures asked for, and those of which the file has a line for the scenario."""
    own = (_name(result.scenario), result.database)
    written = (k.measure for k in file.laws if (k.scenario, k.database) == own)
    found = dict.fromkeys((*(asked or (STATEMENTS,)), *written))
    return tuple(sorted(found, key=_ORDER.index))


def _key(result: LawResult, measure: str) -> tuple[str, str, int]:
    return (_name(result.scenario), result.database, _ORDER.index(measure))


def _name(scenario: str) -> str:
    """A name on one line without two spaces in a row, and none that begins as a comment does."""
    name = " ".join(scenario.split())
    return f"\\{name}" if name.startswith("#") else name


def _parsed(path: Path, lines: Sequence[str]) -> LawFile:
    found: dict[tuple[str, str, int], KnownLaw] = {}
    comments: list[str] = []
    for number, line in enumerate(lines[1:], 2):
        if line.startswith("#") or not line.strip():
            comments += [line.rstrip()] if line.strip() and line != _COLUMNS else []
            continue
        known = replace(_known(path, number, line), comments=tuple(comments))
        comments = []
        if known.key in found:
            raise SettingsError(
                f"{path}:{number}: the {known.measure} of `{known.scenario}` on {known.database}"
                f" have a law in line {found[known.key].line} already: delete one of them"
            )
        found[known.key] = known
    return LawFile(tuple(found.values()), tuple(comments))


def _known(path: Path, number: int, line: str) -> KnownLaw:
    columns = _BETWEEN.split(line.strip())
    if len(columns) != len(_BETWEEN.split(_COLUMNS)):
        raise SettingsError(
            f"{path}:{number}: `{line[:60]}` is not a line of a baseline of laws, which is"
            " `scenario  database  measure  law` with two spaces between"
        )
    scenario, database, measure, law = columns
    if measure not in _ORDER:
        known = ", ".join(f"`{one}`" for one in _ORDER)
        raise SettingsError(f"{path}:{number}: `{measure}` is not measured: {known} are")
    if "#" in law:
        raise SettingsError(f"{path}:{number}: a comment has a line of its own, above the law")
    try:
        return KnownLaw(scenario, database, measure, law_written(law), line=number)
    except ValueError as error:
        raise SettingsError(f"{path}:{number}: `{law[:60]}` is no law: {error}") from error
