"""The JSON of a report back to the report, so that results of different days can be joined."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from fractions import Fraction
from typing import Any

from auditor.model.errors import AuditorError
from auditor.model.finding import Confidence, Finding, Severity
from auditor.model.law import ExplainedTerm, Holdout, LawResult, Point, TermSite
from auditor.model.law_text import law_of
from auditor.model.outcome import FaultOutcome, Retried, StateChange, SweepCoverage, Verdict
from auditor.model.report import Report
from auditor.report.contracts import contracts_from_json
from auditor.report.evidence import (
    evidence_from_json,
    frame_from_json,
    frames_from_json,
    span_from_json,
)
from auditor.report.handlers import handler_from_json, missing_from_json
from auditor.report.json import SCHEMA
from auditor.report.measures import measures_from_json
from auditor.report.scans import scans_from_json
from auditor.report.tapes import problem_from_json, tape_from_json

Json = Mapping[str, Any]


def report_of(text: str, name: str) -> Report:
    """The report that the JSON renderer wrote; `name` is the file, for messages.

    Raises AuditorError if the text is not such a report, or has another version.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AuditorError(f"`{name}` is neither a tape nor JSON: {error}") from error
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise AuditorError(f"`{name}` has the schema `{schema}`; this version reads `{SCHEMA}`")
    try:
        return _report(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AuditorError(
            f"`{name}` is not a whole report `{SCHEMA}`: {type(error).__name__}: {error}"
        ) from error


def _report(value: Json) -> Report:
    tape = value.get("tape")
    return Report(
        findings=_each(_finding, value["findings"]),
        problems=_each(problem_from_json, value["problems"]),
        counted={key: int(count) for key, count in value["counted"].items()},
        tape=None if tape is None else tape_from_json(tape),
        laws=_each(_law, value.get("laws", ())),
        faults=_each(fault_from_json, value.get("faults", ())),
        coverage=_each(_coverage, value.get("coverage", ())),
        handlers=_each(handler_from_json, value.get("handlers", ())),
        missing_handlers=_each(missing_from_json, value.get("missing_handlers", ())),
    )


def _each(read: Callable[[Json], Any], values: Iterable[Json]) -> tuple[Any, ...]:
    return tuple(read(value) for value in values)


def _finding(value: Json) -> Finding:
    return Finding(
        code=value["code"],
        name=value["name"],
        message=value["message"],
        span=span_from_json(value),
        function=value["function"],
        severity=Severity(value["severity"]),
        confidence=Confidence(value["confidence"]),
        evidence=_each(evidence_from_json, value["evidence"]),
        fingerprint=value["fingerprint"],
    )


def _law(value: Json) -> LawResult:
    law = value["law"]
    return LawResult(
        scenario=value["scenario"],
        target=value["target"],
        database=value["database"],
        variables=tuple(value["variables"]),
        law=None if law is None else law_of(law),
        points=_each(_point, value["points"]),
        holdouts=_each(_holdout, value["holdouts"]),
        terms=_each(_term, value["terms"]),
        refusal=value["refusal"],
        notes=tuple(value["notes"]),
        **measures_from_json(value),
        **contracts_from_json(value),
        **scans_from_json(value),
    )


def _point(value: Json) -> Point:
    counts = tuple((name, int(count)) for name, count in value.get("counts", {}).items())
    return Point(_sizes(value), int(value["statements"]), int(value["rows"]), counts)


def _holdout(value: Json) -> Holdout:
    return Holdout(_sizes(value), Fraction(value["predicted"]), int(value["measured"]))


def _sizes(value: Json) -> tuple[tuple[str, int], ...]:
    return tuple((name, int(size)) for name, size in value["sizes"].items())


def _term(value: Json) -> ExplainedTerm:
    (term,) = law_of(value["term"]).terms
    return ExplainedTerm(term, _each(_site, value["sites"]))


def _site(value: Json) -> TermSite:
    return TermSite(
        frame=frame_from_json(value),
        cause=value["cause"],
        shape=value["shape"],
        share=value["share"],
        codes=tuple(value.get("codes", ())),
        stack=frames_from_json(value["stack"]),
    )


def fault_from_json(value: Json) -> FaultOutcome:
    """The outcome that `fault_as_json` made plain. Raises KeyError, TypeError or ValueError."""
    found: dict[str, Any] = {one.name: value[one.name] for one in _told(FaultOutcome, value)}
    return FaultOutcome(**{name: _FAULT.get(name, _same)(one) for name, one in found.items()})


def _same(value: Any) -> Any:
    return value


def _changes(values: Iterable[Json]) -> tuple[StateChange, ...]:
    return tuple(StateChange(c["table"], int(c["missing"]), int(c["added"])) for c in values)


def _coverage(value: Json) -> SweepCoverage:
    found: dict[str, Any] = {one.name: value[one.name] for one in _told(SweepCoverage, value)}
    for name in ("unreached", "untried", "impossible"):
        found[name] = tuple(found.get(name, ()))
    return SweepCoverage(**{**found, "sizes": _sizes(value)})


def _told(kind: Any, value: Json) -> Iterator[Field[Any]]:
    """The fields of a dataclass that are to be read: one with a default may be missing."""
    return (one for one in fields(kind) if one.name in value or one.default is MISSING)


def _retried(values: Iterable[Json]) -> tuple[Retried, ...]:
    return tuple(Retried(frame_from_json(v["function"]), int(v["attempts"])) for v in values)


_FAULT: Mapping[str, Callable[[Any], Any]] = {
    "site": frame_from_json,
    "verdict": Verdict,
    "changes": _changes,
    "traceback": frames_from_json,
    "handlers": frames_from_json,
    "folded": tuple,
    "stack": frames_from_json,
    "retried": _retried,
    "effects": tuple,
}
