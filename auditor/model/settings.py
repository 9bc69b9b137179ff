"""What the user asked for, after options and configuration files are read."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.model.finding import Confidence


@dataclass(frozen=True, slots=True)
class PathIgnore:
    """Codes that are not reported for paths that match `pattern` (fnmatch, whole path)."""

    pattern: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnowledgeRow:
    """A row a user adds to a knowledge table, as written: table name and its fields."""

    table: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default; the same names as in `[tool.auditor]` of pyproject.toml.

    `select` and `ignore` hold code prefixes (`DBA2` is all of family 2). `confidence` is the least
    one shown. `exclude` holds fnmatch patterns for paths that are not scanned.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: tuple[PathIgnore, ...] = ()
    exclude: tuple[str, ...] = ()
    confidence: Confidence = Confidence.MEDIUM
    tests: bool = False
    """Whether files of tests are scanned too."""
    jobs: int = 0
    """Processes for the scan; 0 is one for each core."""
    cache_dir: str = ""
    """Folder of the facts cache; empty is the user's cache folder, `-` is no cache."""
    knowledge: tuple[KnowledgeRow, ...] = ()
