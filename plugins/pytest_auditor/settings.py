"""What the options of a recorded suite say, read and refused before the first test."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from auditor import baseline, config
from auditor.baseline import Known
from auditor.cli.report_files import ReportFile, report_file
from auditor.model.errors import AuditorError, SettingsError
from auditor.model.settings import Settings
from auditor.runtime import budgets
from auditor.runtime.budgets import Measured


@dataclass(frozen=True, slots=True)
class Chosen:
    """The options with their files found and read. `budgets` are those to keep to, `written` the
    file to write measured ones to and `before` what it holds now."""

    tape: Path
    settings: Settings
    is_failing: bool
    reports: tuple[ReportFile, ...]
    baseline: Path | None
    known: tuple[Known, ...]
    budgets: dict[str, dict[str, int]] | None
    written: Path | None
    before: dict[str, dict[str, int]]


def chosen(given: pytest.Config) -> Chosen:
    """The options of this run. Raises UsageError for one that cannot be used."""
    try:
        return _chosen(given)
    except AuditorError as error:
        raise pytest.UsageError(f"--auditor: {error}") from error


def _chosen(given: pytest.Config) -> Chosen:
    folder = given.invocation_params.dir
    known = _path(given, "auditor_baseline")
    limits = _path(given, "auditor_budgets")
    written = _path(given, "auditor_write_budgets")
    reports = tuple(_report(folder, text) for text in given.getoption("auditor_report"))
    if written:
        _refuse_unwritable(written)
    return Chosen(
        tape=Path(os.path.abspath(folder / given.getoption("auditor_tape"))),
        settings=config.load(given.rootpath),
        is_failing=bool(given.getoption("auditor_fail")),
        reports=reports,
        baseline=known,
        known=baseline.read(known) if known else (),
        budgets=_read_budgets(limits) if limits else None,
        written=written,
        before=_read_budgets(written) if written and written.exists() else {},
    )


def _path(given: pytest.Config, option: str) -> Path | None:
    text = given.getoption(option)
    return Path(os.path.abspath(given.invocation_params.dir / text)) if text else None


def _read_budgets(path: Path) -> dict[str, dict[str, int]]:
    return budgets.read(path, f"pytest --auditor-write-budgets {path.name}")


def _report(folder: Path, text: str) -> ReportFile:
    found = report_file(text, "--auditor-report", folder)
    return replace(found, path=Path(os.path.abspath(found.path)))


def _refuse_unwritable(path: Path) -> None:
    if path.is_dir():
        raise SettingsError(f"cannot write `{path.name}`: it is a folder")
    if not path.parent.is_dir():
        raise SettingsError(f"cannot write `{path.name}`: there is no folder `{path.parent.name}`")


def measured_of(data: object) -> Measured:
    """Budgets of one test as a worker sent them."""
    return {str(place): int(count) for place, count in dict(data).items()}  # type: ignore[call-overload]  # a plain dict
