"""Text files that people review: counted lines in named sections.

    # auditor/budgets/1
    # what the file is, and the command that writes it

    [tests/test_labels.py::test_listing]
         1  select label  in app/labels.py listing (explicit)
         3  select rule  in app/labels.py listing (lazy load Label.rules)

Sections are sorted by name; a section may be empty. Equal content is equal text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from auditor.model.errors import SettingsError

Lines = tuple[tuple[int, str], ...]
"""How often, and what."""

_SECTION = re.compile(r"\[(?P<name>.+)\]")
_LINE = re.compile(r" *(?P<count>\d+)  (?P<what>\S.*)")


def text_of(sections: Mapping[str, Iterable[tuple[int, str]]], *, header: str, note: str) -> str:
    """The file that holds these sections. `header` is its first line, `note` its second."""
    parts = [f"{header}\n# {note}\n"]
    for name in sorted(sections):
        lines = "".join(f"{count:>6}  {one_line(what)}\n" for count, what in sections[name])
        parts.append(f"[{one_line(name)}]\n{lines}")
    return "\n".join(parts)


def one_line(text: str) -> str:
    """The text without line ends and without blanks at its ends, as a file holds it."""
    return " ".join(text.splitlines()).strip()


def read(path: Path, *, header: str, remedy: str) -> dict[str, Lines]:
    """The sections of a file. Raises SettingsError, with the line, if it cannot be read or is none
    of ours; `remedy` says how to write a new one."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise SettingsError(f"cannot read `{path}`: {error.strerror}; {remedy}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"`{path}` is not UTF-8 text; {remedy}") from error
    lines = text.split("\n")
    if lines[0].strip() != header:
        found = f"`{lines[0][:60]}`" if text else "an empty file"
        raise SettingsError(f"{path}:1: {found} is not the first line, `{header}`; {remedy}")
    if lines.pop():
        raise SettingsError(f"{path}: the file ends in the middle of a line; {remedy}")
    return _sections(path, lines[1:], remedy)


def _sections(path: Path, lines: list[str], remedy: str) -> dict[str, Lines]:
    found: dict[str, list[tuple[int, str]]] = {}
    current: list[tuple[int, str]] | None = None
    for number, raw in enumerate(lines, 2):
        line = raw.rstrip()
        if not line or line.startswith("#"):
            continue
        if section := _SECTION.fullmatch(line):
            if section["name"] in found:
                raise SettingsError(f"{path}:{number}: section `{line}` is there twice; {remedy}")
            current = found[section["name"]] = []
        elif (entry := _LINE.fullmatch(line)) and current is not None:
            current.append((int(entry["count"]), entry["what"]))
        else:
            raise SettingsError(
                f"{path}:{number}: `{line[:60]}` is neither `[section]` nor a count and what is"
                f" counted; {remedy}"
            )
    return {name: tuple(entries) for name, entries in found.items()}
