"""Which files a scan reads, and what their modules are called.

A folder with `__init__.py` is a package: its modules get their full dotted name wherever the scan
starts. Folders without one, inside a package, count as namespace packages; outside, the folder the
scan starts in is where imports begin.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.model.errors import AuditorError
from auditor.model.finding import Problem

_NEVER = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist"})
_TEST_FOLDERS = frozenset({"test", "tests", "testing"})


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to scan: where it is, how it is shown, and its dotted module name."""

    file: str
    path: str
    module: str
    is_package: bool


@dataclass(frozen=True, slots=True)
class Discovery:
    """The files found, sorted by shown path, and how many were left out and why."""

    files: tuple[SourceFile, ...]
    tests_left_out: int
    excluded: int
    problems: tuple[Problem, ...]


def discover(
    roots: Sequence[str | Path], *, exclude: Sequence[str] = (), tests: bool = False
) -> Discovery:
    """All Python files at and below `roots`. A file that is named itself is always taken.

    `exclude` holds fnmatch patterns over shown paths. Raises AuditorError for a root that does not
    exist.
    """
    found: dict[str, SourceFile] = {}
    problems: list[Problem] = []
    excluded: set[str] = set()
    tests_left_out: set[str] = set()
    here = Path.cwd()
    for given in roots:
        root = Path(given)
        if not root.exists():
            raise AuditorError(
                f"`{given}` does not exist (looked for from the working directory): name a Python"
                " file or a folder to scan"
            )
        for file in _python_files(root, problems):
            source = _source_file(file, root, here)
            if any(fnmatch.fnmatch(source.path, pattern) for pattern in exclude):
                excluded.add(source.path)
            elif not tests and file != root and _is_test(file.relative_to(root)):
                tests_left_out.add(source.path)
            else:
                found[source.path] = source
    files = tuple(found[path] for path in sorted(found))
    return Discovery(files, len(tests_left_out), len(excluded), tuple(problems))


def _python_files(root: Path, problems: list[Problem]) -> Iterator[Path]:
    if root.is_file():
        yield root
        return

    def unreadable(error: OSError) -> None:
        folder = _shown(Path(error.filename), Path.cwd())
        said = f"folder not read: {error.strerror}"
        problems.append(Problem(folder, said, hides_results=True))

    seen: set[tuple[int, int]] = set()
    for folder, names, files in os.walk(root, onerror=unreadable, followlinks=True):
        identity = os.stat(folder)
        if (
            identity.st_dev,
            identity.st_ino,
        ) in seen:  # a loop of symbolic links, or a second way in
            names.clear()
            continue
        seen.add((identity.st_dev, identity.st_ino))
        names[:] = sorted(n for n in names if n not in _NEVER and not n.startswith("."))
        for name in sorted(files):
            if name.endswith(".py"):
                yield Path(folder) / name


def _is_test(inner: Path) -> bool:
    name = inner.name
    if _TEST_FOLDERS.intersection(inner.parts[:-1]):
        return True
    return name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"


def _source_file(file: Path, root: Path, here: Path) -> SourceFile:
    is_package = file.name == "__init__.py"
    return SourceFile(
        str(file), _shown_source(file, root, here), module_name(file, root), is_package
    )


def module_name(file: Path, root: Path) -> str:
    """The dotted name of a file's module; `root` is the file or folder the scan was given."""
    file, root = file.absolute(), root.absolute()
    base = root.parent if root.is_file() else root
    while (base / "__init__.py").exists():
        base = base.parent
    parts = list(file.relative_to(base).with_suffix("").parts)
    first = next((n for n in range(len(parts) - 1) if _is_package(base, parts[: n + 1])), None)
    parts = parts[first or 0 :]
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) or base.name


def _is_package(base: Path, parts: Sequence[str]) -> bool:
    return base.joinpath(*parts, "__init__.py").exists()


def _shown_source(file: Path, root: Path, here: Path) -> str:
    absolute = file.absolute()
    if absolute.is_relative_to(here) and "site-packages" not in absolute.parts:
        return absolute.relative_to(here).as_posix()
    base = root.absolute()
    base = base.parent if base.is_file() else base
    while (base / "__init__.py").exists():
        base = base.parent
    return absolute.relative_to(base).as_posix()


def _shown(path: Path, here: Path) -> str:
    absolute = path.absolute()
    if absolute == here:
        return "."
    return (
        absolute.relative_to(here).as_posix() if absolute.is_relative_to(here) else path.as_posix()
    )
