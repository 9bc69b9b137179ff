"""The source that a tape's call paths name, linked into a project.

Rules of recorded sessions ask it where a statement's call path loops. Nothing is imported. A file
that is not found, cannot be read or is no Python any more gives no facts: what was recorded there
is judged by the tape alone, and one Problem says how many files that were.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from auditor.engine.knowing import knowledge_with
from auditor.engine.scanning import cache_folder
from auditor.model.errors import AuditorError
from auditor.model.finding import Problem
from auditor.model.settings import Settings
from auditor.model.tape import Tape
from auditor.source.discover import SourceFile, discover
from auditor.source.facts import ModuleFacts
from auditor.source.project import Project, link
from auditor.source.read import collector_off, read_files

OPENED = "opened"
"""Under this name the project of a tape shares where its recording was opened (`Tape.opened`)."""
_MAPPING = (b"relationship(", b"__tablename__", b"mapped_column(", b"Column(")
"""Words of files that map classes."""


def recorded_project(
    tape: Tape, settings: Settings, root: Path = Path()
) -> tuple[Project, tuple[Problem, ...]]:
    """The files that the tape names, below `root` or an entry of `sys.path`, as a project whose
    modules have the tape's paths. Raises SettingsError for a row of knowledge that cannot be used.
    """
    named = _paths_of(tape)
    files, missing = _found(named, root)
    folder = cache_folder(settings)
    with collector_off():
        reading = read_files(files, jobs=1, cache_folder=folder, every=True)
        mapped = read_files(_mappings(files, reading.modules), jobs=1, cache_folder=folder)
        knowledge, unknown = knowledge_with(settings.knowledge)
        project = link(_told_apart((*reading.modules, *mapped.modules)), knowledge)
    project.shared[OPENED] = tape.opened
    unread = (*missing, *(problem.subject for problem in reading.problems))
    return project, (*unknown, *_told(sorted(unread), len(named)))


def _paths_of(tape: Tape) -> tuple[str, ...]:
    kinds = (tape.entries, tape.transactions, tape.incidents, tape.attempts)
    sites = {one.site for kind in kinds for one in kind}
    return tuple(sorted({f.path for site in sites for f in site.stack if f.path.endswith(".py")}))


def _found(paths: Iterable[str], root: Path) -> tuple[list[SourceFile], list[str]]:
    """The files of shown paths, and the paths for which there is none."""
    files: list[SourceFile] = []
    missing: list[str] = []
    for path in paths:
        source = source_file(path, root)
        if source is None:
            missing.append(path)
        else:
            files.append(source)
    return files, missing


def source_file(path: str, root: Path = Path()) -> SourceFile | None:
    """The file that a tape shows as `path`, None if there is none."""
    for folder in (root, *map(Path, sys.path), *_editable(path)):
        file = folder / path
        try:
            if file.is_file():
                return replace(discover((file,), tests=True).files[0], path=path)
        except (OSError, ValueError, AuditorError):
            continue  # a path that this system cannot have, or a file that went away
    return None


def _editable(path: str) -> Iterator[Path]:
    """Where the outermost package of a path lies, for one that only a finder of its own installer
    knows. Nothing is imported: finders of top-level packages are asked, no package's own code."""
    top, _, below = path.partition("/")
    try:
        spec = importlib.util.find_spec(top) if below else None
    except (ImportError, ValueError, AttributeError):
        return
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        yield Path(place).parent


def _mappings(files: Sequence[SourceFile], modules: Iterable[ModuleFacts]) -> list[SourceFile]:
    """The files with mapped classes that the named ones import: no call path leads there."""
    roots = {top for file in files if (top := _top_of(file)) is not None}
    named = {name for module in modules for name in module.imports.values()}
    wanted = {part for name in named for part in (name, name.rpartition(".")[0]) if part}
    known = {file.path for file in files}
    places = itertools.product(sorted(roots), sorted(wanted), (".py", "/__init__.py"))
    found: dict[str, SourceFile] = {}
    for (shown, folder), name, ending in places:
        below = f"{name.replace('.', '/')}{ending}"
        path, file = f"{shown}{below}", Path(folder, below)
        if path not in known and _maps_classes(file):
            found[path] = SourceFile(str(file), path, name, ending != ".py")
    return list(found.values())


def _top_of(file: SourceFile) -> tuple[str, str] | None:
    """Where the imports of a file begin: as its path is shown, and the folder; None if its path is
    not that of its module."""
    below = file.module.replace(".", "/") + ("/__init__.py" if file.is_package else ".py")
    if not file.path.endswith(below) or not Path(file.file).as_posix().endswith(below):
        return None
    return file.path.removesuffix(below), Path(file.file).as_posix().removesuffix(below)


def _maps_classes(file: Path) -> bool:
    try:
        return any(word in file.read_bytes() for word in _MAPPING)
    except OSError:
        return False


def _told_apart(modules: Iterable[ModuleFacts]) -> list[ModuleFacts]:
    """The modules, none hidden by another of the same name (each folder may have a `conftest`)."""
    seen: set[str] = set()
    apart: list[ModuleFacts] = []
    for module in modules:
        taken = module.name in seen
        apart.append(module._replace(name=f"{module.name} ({module.path})") if taken else module)
        seen.add(module.name)
    return apart


def _told(unread: list[str], named: int) -> tuple[Problem, ...]:
    if not unread:
        return ()
    return (
        Problem(
            "source of the tape",
            f"{len(unread)} of {named} files that the tape names cannot be read"
            f" (`{unread[0]}` first): findings there rest on the recording alone; run in the folder"
            " and the environment in which it was recorded",
        ),
    )
