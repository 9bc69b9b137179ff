"""Tapes, laws and fault outcomes to a report, by the rules that have a check for them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path

from auditor import registry
from auditor.engine import filters, running
from auditor.engine.fingerprint import fingerprinted
from auditor.engine.recorded_source import recorded_project, source_file
from auditor.model.finding import Finding
from auditor.model.law import LawResult
from auditor.model.outcome import FaultOutcome
from auditor.model.report import Report
from auditor.model.settings import Settings
from auditor.model.tape import Tape
from auditor.rule import OnTape, Rule
from auditor.source.facts import Suppression
from auditor.source.parse import NotParsed, parse_module


def judge(
    tape: Tape | None = None,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    *,
    laws: tuple[LawResult, ...] = (),
    faults: tuple[FaultOutcome, ...] = (),
    rules: registry.Catalogue | None = None,
) -> Report:
    """What the rules say of a tape, of laws and of fault outcomes. What the tape lost is among the
    problems. Suppression comments count where the source can be found.

    Raises SettingsError for a selected code that no rule has.
    """
    catalogue = rules or registry.catalogue()
    chosen = filters.selected(catalogue.rules, settings)
    judged = running.merged(
        *((_over_tape(chosen, tape, settings),) if tape is not None else ()),
        *((running.over_laws(chosen, laws),) if laws else ()),
        *((running.over_outcomes(chosen, faults),) if faults else ()),
    )
    shown = filters.shown(
        fingerprinted(judged.findings, functools.cache(_lines_of)),
        settings,
        suppressions=_suppressions(judged.findings),
        ran=None,
    )
    losses = tape.losses if tape is not None else ()
    return Report(
        findings=shown.findings,
        problems=tuple(dict.fromkeys((*catalogue.problems, *losses, *judged.problems))),
        counted={**_counted(tape, laws, faults), **shown.hidden},
        tape=tape,
        laws=laws,
        faults=faults,
    )


def _over_tape(rules: tuple[Rule, ...], tape: Tape, settings: Settings) -> running.Judged:
    """What the rules say of a tape; no source is read if none of them looks at tapes."""
    live = filters.with_checks(rules, OnTape)
    if not live or not (tape.entries or tape.transactions):
        return running.Judged()
    project, problems = recorded_project(tape, settings)
    return running.merged(running.Judged(problems=problems), running.over_tape(live, tape, project))


def _counted(
    tape: Tape | None, laws: tuple[LawResult, ...], faults: tuple[FaultOutcome, ...]
) -> dict[str, int]:
    counts = {"laws": len(laws), "faults": len(faults)}
    found = {key: count for key, count in counts.items() if count}
    if tape is not None:
        found["statements"] = tape.statements
    return found


def _lines_of(path: str) -> Sequence[str]:
    """The lines of a file that a live witness named, none if it cannot be found and read."""
    source = _source_of(path) if path else b""
    return source.decode("utf-8", "replace").split("\n") if source else ()


def _source_of(path: str) -> bytes:
    found = source_file(path)
    try:
        return Path(found.file).read_bytes() if found is not None else b""
    except OSError:
        return b""


def _suppressions(findings: Iterable[Finding]) -> dict[str, tuple[Suppression, ...]]:
    paths = sorted({finding.span.path for finding in findings})
    return {path: found for path in paths if (found := _suppressions_of(path))}


def _suppressions_of(path: str) -> tuple[Suppression, ...]:
    """The suppression comments of a file that a live witness named, if it can be found and read."""
    source = _source_of(path)
    try:
        return parse_module(path, "", source).suppressions if b"auditor:" in source else ()
    except (ValueError, NotParsed):
        return ()
