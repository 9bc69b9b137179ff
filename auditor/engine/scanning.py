"""Source to report: find files, read facts, link them, run the static rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from auditor import registry
from auditor.engine import filters, kept, running
from auditor.engine.fingerprint import LinesOf, fingerprinted
from auditor.engine.knowing import knowledge_with
from auditor.model.finding import Problem
from auditor.model.report import Report
from auditor.model.settings import Settings
from auditor.rule import OnFunction, OnModule
from auditor.source.cache import default_folder
from auditor.source.discover import Discovery, discover
from auditor.source.project import Project, link
from auditor.source.read import Progress, Reading, collector_off, read_files

NO_CACHE = "-"


def scan(
    paths: Iterable[str | Path],
    settings: Settings = Settings(),  # noqa: B008 - frozen
    *,
    progress: Progress | None = None,
    rules: registry.Catalogue | None = None,
) -> Report:
    """Audit the Python files at and below `paths` without importing or running them.

    `rules` is the catalogue to use instead of the installed one. Raises AuditorError for a path
    that does not exist, SettingsError for a selected code that no rule has.
    """
    found = discover(tuple(paths), exclude=settings.exclude, tests=settings.tests)
    folder = cache_folder(settings)
    with collector_off():
        if rules is not None or folder is None:
            return _scanned(found, settings, rules or registry.catalogue(), progress)
        key = kept.key_of(found, settings)
        report = kept.load(folder, key)
        if report is None:
            report = _scanned(found, settings, registry.catalogue(), progress)
            is_unchanged = kept.key_of(found, settings) == key  # no file was edited meanwhile
            if is_unchanged and kept.is_repeatable(report, found):
                kept.store(folder, key, report)
        return report


def _scanned(
    found: Discovery, settings: Settings, catalogue: registry.Catalogue, progress: Progress | None
) -> Report:
    chosen = filters.selected(catalogue.rules, settings)
    knowledge, unknown = knowledge_with(settings.knowledge)
    reading = read_files(
        found.files, jobs=settings.jobs, cache_folder=cache_folder(settings), progress=progress
    )
    project = link(reading.modules, knowledge)
    report = judged_project(
        project,
        settings,
        replace(catalogue, rules=chosen),
        lines_of=source_lines(found),
    )
    project.shared.clear()  # it may point back to the project: then only the collector frees both
    problems = (
        *catalogue.problems,
        *unknown,
        *found.problems,
        *reading.problems,
        *_nothing_found(found),
    )
    unknown_codes = (
        *filters.ignore_problems(catalogue.rules, settings),
        *filters.suppression_problems(catalogue.rules, reading.modules),
    )
    return replace(
        report,
        problems=tuple(dict.fromkeys((*problems, *unknown_codes, *report.problems))),
        counted={**_counted(found, reading), **report.counted},
    )


def judged_project(
    project: Project,
    settings: Settings,
    catalogue: registry.Catalogue,
    *,
    lines_of: LinesOf,
    only: frozenset[str] | None = None,
) -> Report:
    """What the static rules of a catalogue say of a project; with `only`, of the modules at these
    paths, though all others are known."""
    static = filters.with_checks(catalogue.rules, OnModule, OnFunction)
    judged = running.over_project(static, project, only=only)
    suppressions = {
        m.path: m.suppressions
        for m in project.modules.values()
        if m.suppressions and (only is None or m.path in only)
    }
    shown = filters.shown(
        fingerprinted(judged.findings, lines_of),
        settings,
        suppressions=suppressions,
        ran=frozenset(rule.code for rule in static),
    )
    return Report(
        findings=shown.findings,
        problems=(*judged.problems, *shown.problems),
        counted={"rules": len(static), **shown.hidden},
    )


def cache_folder(settings: Settings) -> Path | None:
    """Where facts are cached, None for nowhere."""
    if settings.cache_dir == NO_CACHE:
        return None
    return Path(settings.cache_dir) if settings.cache_dir else default_folder()


def source_lines(found: Discovery) -> LinesOf:
    """The lines of the files found, by shown path, read when asked for; of the last one kept, as
    findings come by path."""
    files = {file.path: file.file for file in found.files}

    @lru_cache(maxsize=1)
    def lines_of(path: str) -> Sequence[str]:
        try:
            return Path(files[path]).read_bytes().decode("utf-8", "replace").split("\n")
        except (KeyError, OSError):
            return ()

    return lines_of


def _nothing_found(found: Discovery) -> tuple[Problem, ...]:
    if found.files:
        return ()
    left_out = found.tests_left_out + found.excluded
    why = f"; {left_out} were left out as tests or by `exclude`" if left_out else ""
    return (Problem("scan", f"no Python file was found{why}", hides_results=True),)


def _counted(found: Discovery, reading: Reading) -> dict[str, int]:
    return {
        "files": len(found.files),
        "files_skipped": reading.passed_over,
        "files_unreadable": len(reading.problems),
        "functions": sum(len(module.functions) - 1 for module in reading.modules),
        "tests_left_out": found.tests_left_out,
        "excluded": found.excluded,
    }
