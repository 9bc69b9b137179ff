"""What scan says of the lines that grow: the static twin of a finding about a law."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from auditor.engine import scan
from auditor.engine.grounds import grounded
from auditor.engine.places import place_of, stands_at, where_of
from auditor.model.evidence import SourcePath, Step
from auditor.model.finding import Finding
from auditor.model.law import LawResult
from auditor.model.settings import Settings
from auditor.model.span import Frame

_MOST_BESIDE = 200
"""How many files beside those that grow are read too: models often stand there."""


def with_twins(findings: Iterable[Finding], settings: Settings) -> tuple[Finding, ...]:
    """The findings, those about a line that scan finds fault with joined by what it says. Files
    that are not below the working directory are not read."""
    known = tuple(findings)
    files = {Path(one.span.path) for one in known if Path(one.span.path).is_file()}
    scanned = _scanned(files, settings)
    return tuple(_joined(finding, scanned) for finding in known)


def with_codes(results: Iterable[LawResult], settings: Settings) -> tuple[LawResult, ...]:
    """The results, each place that grows with the codes of what scan says of its line."""
    known = tuple(results)
    frames = (site.frame for one in known for term in one.terms for site in term.sites)
    found = {_file_of(path) for path in {frame.path for frame in frames}} - {None}
    beside = {one for file in found if file for one in sorted(file.parent.glob("*.py"))}
    files = beside if len(beside) <= _MOST_BESIDE else {file for file in found if file}
    return grounded(known, _scanned(files, settings))


def _scanned(files: Iterable[Path], settings: Settings) -> tuple[Finding, ...]:
    wanted = sorted(files)
    quiet = replace(settings, select=(), cache_dir="-", jobs=1, tests=True)
    return scan(wanted, quiet).findings if wanted else ()


def _file_of(path: str) -> Path | None:
    """The file that a report shows as `path`: below the working directory, or importable."""
    folders = ("", *(folder for folder in sys.path if folder))
    files = (Path(folder, path) for folder in folders)
    return next((file for file in files if file.is_file()), None)


def _joined(finding: Finding, scanned: Iterable[Finding]) -> Finding:
    here = place_of(Frame(finding.span.path, finding.span.line, finding.function))
    steps = tuple(
        Step(one.span, f"{one.code} {one.name}: {one.message}")
        for one in scanned
        if stands_at(here, where_of(one))
    )
    twins = (SourcePath(steps),) if steps else ()
    return replace(finding, evidence=(*finding.evidence, *twins))
