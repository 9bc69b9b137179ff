"""Settings from the nearest configuration file, upwards from a folder.

    pyproject.toml            [tool.auditor]
    tox.ini, setup.cfg        [auditor]

In TOML: `select`, `ignore`, `exclude` (lists), `per-file-ignores` (table: pattern to codes),
`confidence`, `tests`, `jobs`, `cache-dir`, and `knowledge.<table>` (a list of rows). In INI files a
list is separated by commas or lines, and `per-file-ignores` has lines `pattern: CODES`. Patterns
are of paths below the folder of the file, wherever the command runs: `*` stands for `/` too, and a
folder for all that is in it.
"""

from __future__ import annotations

import configparser
import fnmatch
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from auditor.model.errors import SettingsError
from auditor.model.finding import Confidence
from auditor.model.settings import KnowledgeRow, PathIgnore, Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Value = TypeVar("Value")

_CODE = re.compile(r"[A-Z]+\d{0,3}")
_SECTIONS = {"pyproject.toml": "tool.auditor", "tox.ini": "auditor", "setup.cfg": "auditor"}


@dataclass(frozen=True, slots=True)
class Source:
    """A configuration file and its text, to say where a value stands."""

    path: Path
    text: str

    def error(self, key: str, message: str) -> SettingsError:
        """An error at the line where the key is written, if it can be found."""
        line = self._line_of(key)
        return SettingsError(f"{self.path}{f':{line}' if line else ''}: {message}")

    def _line_of(self, key: str) -> int:
        section = _SECTIONS.get(self.path.name, "auditor").replace("tool.", r"tool\.")
        begin = re.search(rf"^\s*\[+\s*(?:{section})\b", self.text, re.MULTILINE)
        written = re.escape(key).replace("_", "[-_]")
        found = re.compile(
            rf"^[\s\[]*(?:[\w.\"-]*\.)?[\"']?{written}[\"']?\s*[=:\].]", re.MULTILINE
        ).search(self.text, begin.start() if begin else 0)
        return (
            self.text.count("\n", 0, found.start()) + found.group().count("\n") + 1 if found else 0
        )


def load(start: Path) -> Settings:
    """The settings of the nearest file at or above `start` that has a section of ours; the
    defaults if there is none. Raises SettingsError."""
    for folder in (start.resolve(), *start.resolve().parents):
        for name in _SECTIONS:
            section = _section_of(folder / name)
            if section is not None:
                return _settings(*section)
    return Settings()


def read(path: Path) -> Settings:
    """The settings of one file, which must have a section of ours. Raises SettingsError."""
    if not path.is_file():
        raise SettingsError(f"there is no configuration file `{path}`")
    section = _section_of(path)
    if section is None:
        wanted = "tool.auditor" if _is_toml(path) else "auditor"
        raise SettingsError(f"{path}: there is no section `[{wanted}]`")
    return _settings(*section)


def _is_toml(path: Path) -> bool:
    return path.suffix == ".toml"


def _section_of(path: Path) -> tuple[Source, Mapping[str, Any]] | None:
    try:
        source = Source(path, path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    if "auditor" not in source.text:
        return None  # somebody else's file; whether it parses is their affair
    return _toml_section(source) if _is_toml(path) else _ini_section(source)


def _toml_section(source: Source) -> tuple[Source, Mapping[str, Any]] | None:
    try:
        whole = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source.path}: is not TOML: {error}") from error
    tool = whole.get("tool", {})
    section = tool.get("auditor") if isinstance(tool, dict) else None
    if section is not None and not isinstance(section, dict):
        raise source.error("auditor", f"`tool.auditor` is `{section!r}`, not a table")
    return None if section is None else (source, section)


def _ini_section(source: Source) -> tuple[Source, Mapping[str, Any]] | None:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(source.text, str(source.path))
    except configparser.Error as error:
        raise SettingsError(f"{source.path}: {' '.join(str(error).split())}") from error
    if not parser.has_section("auditor"):
        return None
    items: dict[str, Any] = dict(parser.items("auditor"))
    return source, {key: _from_ini(source, key, text) for key, text in items.items()}


def _from_ini(source: Source, key: str, text: str) -> Any:
    """An INI value in the shape that TOML would give."""
    name = key.replace("-", "_")
    if name in ("select", "ignore", "exclude"):
        return _pieces(text)
    if name == "per_file_ignores":
        pairs = [line.rpartition(":") for line in text.splitlines() if line.strip()]
        bad = next((rest for pattern, _, rest in pairs if not pattern), None)
        if bad is not None:
            raise source.error(key, f"`{key}` has `{bad.strip()}`, which is not `pattern: CODES`")
        return {pattern.strip(): _pieces(codes) for pattern, _, codes in pairs}
    words: Mapping[str, Any] = {
        "true": True,
        "yes": True,
        "on": True,
        "false": False,
        "no": False,
        "off": False,
    }
    if name == "tests":
        return words.get(text.strip().lower(), text)
    return int(text) if name == "jobs" and re.fullmatch(r"-?\d+", text.strip()) else text


def _pieces(text: str) -> list[str]:
    return [piece for piece in re.split(r"[,\s]+", text) if piece]


def _settings(source: Source, section: Mapping[str, Any]) -> Settings:
    settings = Settings()
    for key, value in section.items():
        name = key.replace("-", "_")
        reader = _READERS.get(name)
        if reader is None:
            known = ", ".join(f"`{one.replace('_', '-')}`" for one in _READERS)
            raise source.error(key, f"there is no setting `{key}`; there are {known}")
        settings = replace(settings, **{name: reader(source, key, value)})
    return settings


def _wrong(source: Source, key: str, value: object, wanted: str) -> SettingsError:
    return source.error(key, f"`{key}` is `{value!r}`; it must be {wanted}")


def _texts(source: Source, key: str, value: object) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise _wrong(source, key, value, "a list of strings")


def _codes(source: Source, key: str, value: object) -> tuple[str, ...]:
    codes = _texts(source, key, value)
    for code in codes:
        if not _CODE.fullmatch(code):
            raise source.error(
                key, f"`{key}` has `{code}`, not a code or prefix such as `DBA301` or `DBA3`"
            )
    return codes


def _path_ignores(source: Source, key: str, value: object) -> tuple[PathIgnore, ...]:
    if not isinstance(value, dict):
        raise _wrong(source, key, value, "a table from path patterns to lists of codes")
    return tuple(
        PathIgnore(seen, _codes(source, key, codes))
        for pattern, codes in value.items()
        for seen in _patterns(source, pattern)
    )


def _excluded(source: Source, key: str, value: object) -> tuple[str, ...]:
    return tuple(
        seen for pattern in _texts(source, key, value) for seen in _patterns(source, pattern)
    )


def _patterns(source: Source, written: str) -> tuple[str, ...]:
    """A pattern of paths below the folder of the file, as patterns of paths as they are shown from
    the working directory, with what is in it if it is a folder."""
    pattern = written.replace("\\", "/").removeprefix("./")
    found = [pattern] if pattern.endswith(("*", ".py")) else [pattern, f"{pattern.rstrip('/')}/*"]
    found += [one.partition("/")[2] for one in found if one.startswith(("*/", "**/"))]
    found += [one.replace("/**/", "/") for one in found if "/**/" in one]
    folder, here = source.path.parent.resolve(), Path.cwd()
    if folder in here.parents:
        below = f"{here.relative_to(folder).as_posix()}/"
        found += [rest for one in found for rest in _rests(one, below)]
    return tuple(dict.fromkeys(found))


def _rests(pattern: str, folder: str) -> Iterator[str]:
    """The patterns of what is left of paths that match, when they begin with a folder."""
    for cut in range(1, len(pattern) + 1):
        if fnmatch.fnmatchcase(folder, pattern[:cut]):
            yield f"*{pattern[cut:]}" if pattern[cut - 1] == "*" else pattern[cut:]


def _confidence(source: Source, key: str, value: object) -> Confidence:
    try:
        return Confidence(value)
    except ValueError as error:
        raise _wrong(source, key, value, "one of `high`, `medium`, `low`") from error


def _flag(source: Source, key: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _wrong(source, key, value, "true or false")


def _number(source: Source, key: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise _wrong(source, key, value, "a whole number, 0 or more")


def _text(source: Source, key: str, value: object) -> str:
    if isinstance(value, str):
        return value
    raise _wrong(source, key, value, "a string")


def _knowledge(source: Source, key: str, value: object) -> tuple[KnowledgeRow, ...]:
    if not isinstance(value, dict):
        raise _wrong(source, key, value, "a table; write `[[tool.auditor.knowledge.<table>]]`")
    return tuple(
        _row(source, table, row)
        for table, rows in value.items()
        for row in _rows(source, table, rows)
    )


def _rows(source: Source, table: str, rows: object) -> Iterable[Any]:
    if isinstance(rows, list):
        return rows
    raise _wrong(source, table, rows, f"a list of rows; write `[[tool.auditor.knowledge.{table}]]`")


def _row(source: Source, table: str, row: object) -> KnowledgeRow:
    if not isinstance(row, dict):
        raise _wrong(source, table, row, "a table of fields")
    return KnowledgeRow(
        table, tuple((name, _field(source, name, field)) for name, field in row.items())
    )


def _field(source: Source, name: str, field: object) -> str:
    """A field as text: true and false in lower case, a list joined by commas."""
    if isinstance(field, list) and all(isinstance(one, str) for one in field):
        return ",".join(field)
    if isinstance(field, bool):
        return str(field).lower()
    if isinstance(field, (str, int)):
        return str(field)
    raise _wrong(
        source, name, field, "a string, a whole number, true or false, or a list of strings"
    )


_READERS: Mapping[str, Callable[[Source, str, Any], Any]] = {
    "select": _codes,
    "ignore": _codes,
    "per_file_ignores": _path_ignores,
    "exclude": _excluded,
    "confidence": _confidence,
    "tests": _flag,
    "jobs": _number,
    "cache_dir": _text,
    "knowledge": _knowledge,
}
