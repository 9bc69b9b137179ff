"""What scan says of the lines that grow: the static twin of a finding about a law."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from auditor.engine import scan
from auditor.engine.places import place_of, stands_at, where_of
from auditor.model.evidence import SourcePath, Step
from auditor.model.finding import Finding
from auditor.model.settings import Settings
from auditor.model.span import Frame


def with_twins(findings: Iterable[Finding], settings: Settings) -> tuple[Finding, ...]:
    """The findings, those about a line that scan finds fault with joined by what it says. Files
    that are not below the working directory are not read."""
    known = tuple(findings)
    files = sorted({one.span.path for one in known if Path(one.span.path).is_file()})
    if not files:
        return known
    quiet = replace(settings, select=(), cache_dir="-", jobs=1, tests=True)
    scanned = scan([Path(file) for file in files], quiet).findings
    return tuple(_joined(finding, scanned) for finding in known)


def _joined(finding: Finding, scanned: Iterable[Finding]) -> Finding:
    here = place_of(Frame(finding.span.path, finding.span.line, finding.function))
    steps = tuple(
        Step(one.span, f"{one.code} {one.name}: {one.message}")
        for one in scanned
        if stands_at(here, where_of(one))
    )
    twins = (SourcePath(steps),) if steps else ()
    return replace(finding, evidence=(*finding.evidence, *twins))
