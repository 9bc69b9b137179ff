"""Which files a scan reads, and what their modules are called.

A folder with `__init__.py` is a package: its modules get their full dotted name wherever the scan
starts. Folders without one, inside a package, count as namespace packages; outside, the folder the
scan starts in is where imports begin.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from auditor.model.errors import AuditorError
from auditor.model.finding import Problem

_NEVER = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist"})
_LOCK = ".#"
"""How the name of an editor's lock begins, a link that leads nowhere."""
_TEST_FOLDERS = frozenset({"test", "tests", "testing"})


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to scan: where it is, how it is shown, its dotted module name, and whether the scan
    came upon it as one of tests (a file that is named itself is none)."""

    file: str
    path: str
    module: str
    is_package: bool
    is_test: bool = False


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
    is_alone = len(roots) == 1
    for given in roots:
        root = Path(given)
        if not root.exists():
            raise AuditorError(
                f"`{given}` does not exist (looked for from the working directory): name a Python"
                " file or a folder to scan"
            )
        if root.suffix == ".ipynb":
            raise AuditorError(
                f"`{given}` is a notebook, not Python source:"
                " `jupyter nbconvert --to script` writes the file to scan"
            )
        for source in _sources(root, here, problems, is_alone=is_alone):
            if any(fnmatch.fnmatch(source.path, pattern) for pattern in exclude):
                excluded.add(source.path)
            elif not tests and source.is_test:
                tests_left_out.add(source.path)
            elif source.path not in found or not source.is_test:
                found[source.path] = source
    files = tuple(found[path] for path in sorted(found))
    return Discovery(files, len(tests_left_out), len(excluded), tuple(problems))


def _sources(
    root: Path, here: Path, problems: list[Problem], *, is_alone: bool
) -> Iterator[SourceFile]:
    """The Python files at and below a root."""
    if not root.is_dir():
        place = _place(root.parent, root, here)
        if is_alone and not place.package:
            place = replace(place, package=_written_package(root, here))
        yield replace(_source_file(str(root), root.name, place), is_test=False)
        return
    for folder, names in _folders(root, problems):
        place = _place(Path(folder), root, here)
        for name in names:
            yield _source_file(os.path.join(folder, name), name, place)


def _folders(root: Path, problems: list[Problem]) -> Iterator[tuple[str, list[str]]]:
    """Each folder that has Python files, with their names in order."""

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
        python = sorted(n for n in files if n.endswith(".py") and not n.startswith(_LOCK))
        if python:
            yield folder, python


def _is_test(name: str) -> bool:
    return name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"


@dataclass(frozen=True, slots=True)
class _Place:
    """What the files of one folder have in common: asked of the file system once, not for each."""

    shown: str
    """Shown path of the folder with a slash at the end, empty for the working directory."""
    package: tuple[str, ...]
    """Names of the packages around its modules."""
    top: str
    """Module name of an `__init__.py` with no package around it."""
    is_test: bool


def _place(folder: Path, root: Path, here: Path) -> _Place:
    shown = _shown_source(folder / "_", root, here)[:-1]
    package, top = _package_of(folder, root)
    inner = folder.relative_to(root).parts if root.is_dir() else ()
    return _Place(shown, package, top, bool(_TEST_FOLDERS.intersection(inner)))


def _source_file(file: str, name: str, place: _Place) -> SourceFile:
    return SourceFile(
        file,
        place.shown + name,
        _module_in(name, place),
        is_package=name == "__init__.py",
        is_test=place.is_test or _is_test(name),
    )


def _module_in(name: str, place: _Place) -> str:
    if name == "__init__.py":
        return ".".join(place.package) or place.top
    return ".".join((*place.package, name.rpartition(".")[0] or name))


def _package_of(folder: Path, root: Path) -> tuple[tuple[str, ...], str]:
    """The packages around the modules of a folder, and the name of where imports begin."""
    folder, root = folder.absolute(), root.absolute()
    base = root if root.is_dir() else root.parent
    while (base / "__init__.py").exists():
        base = base.parent
    parts = folder.relative_to(base).parts
    first = next((n for n in range(len(parts)) if _is_package(base, parts[: n + 1])), 0)
    return parts[first:], base.name


def _is_package(base: Path, parts: Sequence[str]) -> bool:
    return base.joinpath(*parts, "__init__.py").exists()


def _written_package(file: Path, here: Path) -> tuple[str, ...]:
    """The package that the path of a lone file names, where no `__init__.py` tells where imports
    begin: `nova/db/api.py` is `nova.db.api` to a program that runs in the working directory."""
    absolute = file.absolute()
    if not absolute.is_relative_to(here):
        return ()
    parts = absolute.relative_to(here).parts[:-1]
    return parts if all(part.isidentifier() for part in parts) else ()


def _shown_source(file: Path, root: Path, here: Path) -> str:
    absolute = file.absolute()
    if absolute.is_relative_to(here) and "site-packages" not in absolute.parts:
        return absolute.relative_to(here).as_posix()
    base = root.absolute()
    base = base if base.is_dir() else base.parent
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
