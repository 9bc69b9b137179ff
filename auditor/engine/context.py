"""Some named files of a program, linked with the package around them.

A function cannot be judged from its own file: what it calls, the mapped classes and the classes it
inherits from stand elsewhere. So the package that encloses the named files is read too, and, of
what the named files import, also files that hold no word of database code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from auditor import registry
from auditor.engine import filters
from auditor.engine.knowing import knowledge_with
from auditor.engine.scanning import cache_folder, judged_project, source_lines
from auditor.model.errors import AuditorError
from auditor.model.finding import Problem
from auditor.model.report import Report
from auditor.model.settings import Settings
from auditor.source.discover import Discovery, SourceFile, discover
from auditor.source.facts import ModuleFacts
from auditor.source.project import Project, link
from auditor.source.read import Progress, Reading, read_files


@dataclass(frozen=True, slots=True)
class Linked:
    """A program of which `named` modules are asked about; `discovery` holds all of its files."""

    project: Project
    named: tuple[ModuleFacts, ...]
    discovery: Discovery
    problems: tuple[Problem, ...]


def linked(
    paths: Sequence[Path],
    settings: Settings,
    *,
    context: Sequence[Path] = (),
    progress: Progress | None = None,
) -> Linked:
    """The Python files at and below `paths`, linked with those of `context`, or of the packages
    that enclose them when none is given.

    Raises AuditorError for a path that does not exist, or when no Python file is named; a named
    file that cannot be read is a Problem that hides results, any other one a Problem.
    """
    wanted = discover(paths, exclude=settings.exclude, tests=settings.tests)
    if not wanted.files:
        shown = ", ".join(f"`{path}`" for path in paths)
        left_out = wanted.tests_left_out + wanted.excluded
        why = f"; {left_out} were left out as tests or by `exclude`" if left_out else ""
        raise AuditorError(f"{shown}: no Python file was found{why}")
    roots = tuple(context) or tuple(dict.fromkeys(_enclosing(path) for path in paths))
    found = _whole(discover((*roots, *paths), exclude=settings.exclude, tests=settings.tests))
    chosen = frozenset(file.file for file in wanted.files)
    named = [file for file in found.files if file.file in chosen]
    reading = _read(found, named, settings, progress)
    knowledge, unknown = knowledge_with(settings.knowledge)
    project = link(reading.modules, knowledge)
    shown_paths = frozenset(file.path for file in named)
    return Linked(
        project=project,
        named=tuple(m for m in _ordered(project) if m.path in shown_paths),
        discovery=found,
        problems=(*unknown, *_told(reading.problems, shown_paths)),
    )


def _whole(found: Discovery) -> Discovery:
    """The files, those of tests to be read like any other: who asks about tests here asks what they
    do, through any depth of calls."""
    return replace(found, files=tuple(replace(file, is_test=False) for file in found.files))


def _enclosing(path: Path) -> Path:
    """The outermost package around a file or folder; its own folder if it is in none."""
    folder = path if path.is_dir() else path.resolve().parent
    outermost = folder
    climbing = folder.resolve()
    while (climbing / "__init__.py").exists() and climbing.parent != climbing:
        outermost, climbing = climbing, climbing.parent
    return outermost


def _read(
    found: Discovery, named: Sequence[SourceFile], settings: Settings, progress: Progress | None
) -> Reading:
    """All files that hold database code, the named ones, and the modules these import."""
    chosen = frozenset(file.file for file in named)
    others = [file for file in found.files if file.file not in chosen]
    folder = cache_folder(settings)
    own = read_files(named, jobs=1, cache_folder=folder, every=True)
    around = read_files(others, jobs=settings.jobs, cache_folder=folder, progress=progress)
    known = {module.path for module in around.modules}
    imported = {name for module in own.modules for name in module.imports.values()}
    missing = [f for f in others if f.path not in known and _is_imported(f, imported)]
    below = read_files(missing, jobs=1, cache_folder=folder, every=True)
    return Reading(
        modules=(*own.modules, *around.modules, *below.modules),
        problems=tuple(dict.fromkeys((*own.problems, *around.problems, *below.problems))),
        passed_over=around.passed_over - len(below.modules),
        cached=own.cached + around.cached + below.cached,
    )


def _is_imported(file: SourceFile, imported: set[str]) -> bool:
    return file.module in imported or any(n.rpartition(".")[0] == file.module for n in imported)


def _ordered(project: Project) -> list[ModuleFacts]:
    return sorted(project.modules.values(), key=lambda module: module.path)


def _told(problems: Sequence[Problem], named: frozenset[str]) -> tuple[Problem, ...]:
    """Problems with a named file hide what it is asked about; others are told, and hide nothing
    that is certain."""
    return tuple(Problem(p.subject, p.message, p.subject in named) for p in problems)


def judged(found: Linked, settings: Settings, catalogue: registry.Catalogue) -> Report:
    """What the static rules say of the named modules. Raises SettingsError for a selected code
    that no rule has."""
    chosen = filters.selected(catalogue.rules, settings)
    report = judged_project(
        found.project,
        settings,
        replace(catalogue, rules=chosen),
        lines_of=source_lines(found.discovery),
        only=frozenset(module.path for module in found.named),
    )
    problems = (*catalogue.problems, *found.problems, *report.problems)
    return replace(report, problems=tuple(dict.fromkeys(problems)))
