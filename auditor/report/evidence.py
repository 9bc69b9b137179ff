"""Evidence as JSON values and as lines of text; each kind of evidence is one row of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

from auditor.model.evidence import (
    Estimated,
    Evidence,
    Executions,
    FaultSeen,
    Growth,
    Plan,
    SchemaFact,
    SourcePath,
    Step,
)
from auditor.model.span import Frame, Span

SHAPE_WIDTH = 88
"""Statements are cut to this many characters in text; JSON has them whole."""

Json = dict[str, Any]


def span_as_json(span: Span) -> Json:
    """A place, flat, in the order every report uses."""
    return {
        "path": span.path,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def span_from_json(value: Mapping[str, Any]) -> Span:
    """The place that `span_as_json` wrote; KeyError or TypeError if it is none."""
    return Span(
        str(value["path"]),
        int(value["line"]),
        int(value["column"]),
        int(value["end_line"]),
        int(value["end_column"]),
    )


def frame_as_json(frame: Frame) -> Json:
    """One line of a call path."""
    return {"path": frame.path, "line": frame.line, "function": frame.function}


def frame_from_json(value: Mapping[str, Any]) -> Frame:
    """The frame that `frame_as_json` wrote."""
    return Frame(str(value["path"]), int(value["line"]), str(value["function"]))


def frames_from_json(values: Iterable[Mapping[str, Any]]) -> tuple[Frame, ...]:
    """A call path."""
    return tuple(frame_from_json(value) for value in values)


def evidence_as_json(evidence: Evidence) -> Json:
    """`kind` first, then the fields in the order of the value."""
    found: Json = {"kind": evidence.kind}
    for field in fields(evidence):
        value = getattr(evidence, field.name)
        found[field.name] = _PLAIN.get(field.name, _same)(value)
    return found


def evidence_from_json(value: Mapping[str, Any]) -> Evidence:
    """The evidence that `evidence_as_json` wrote; KeyError for an unknown kind or field."""
    make = _KINDS[value["kind"]]
    found = {field.name: value[field.name] for field in fields(make)}
    for name, read in _READ.items():
        if name in found:
            found[name] = read(found[name])
    evidence: Evidence = make(**found)
    return evidence


def _same(value: Any) -> Any:
    return value


def _steps_as_json(steps: tuple[Step, ...]) -> list[Json]:
    return [{**span_as_json(step.span), "note": step.note} for step in steps]


def _steps_from_json(values: Iterable[Mapping[str, Any]]) -> tuple[Step, ...]:
    return tuple(Step(span_from_json(value), str(value["note"])) for value in values)


_PLAIN: Mapping[str, Callable[[Any], Any]] = {
    "steps": _steps_as_json,
    "stack": lambda stack: [frame_as_json(frame) for frame in stack],
    "sure": list,
    "possible": list,
    "notes": list,
    "measured": list,
    "seconds": lambda seconds: round(seconds, 6),
}
_READ: Mapping[str, Callable[[Any], Any]] = {
    "steps": _steps_from_json,
    "stack": frames_from_json,
    "sure": tuple,
    "possible": tuple,
    "notes": tuple,
    "measured": tuple,
}
_KINDS: Mapping[str, Any] = {
    one.kind: one
    for one in (SourcePath, Executions, Growth, SchemaFact, FaultSeen, Plan, Estimated)
}


def counted(number: int, thing: str) -> str:
    """`1 row`, `2 rows`, `2 queries`: a number and its thing, in the plural where it is one."""
    if number == 1:
        return f"{number:,} {thing}"
    plural = f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"{number:,} {plural}"


def shortened(shape: str, width: int = SHAPE_WIDTH) -> str:
    """A statement on one line, cut to a width."""
    line = " ".join(shape.split())
    return line if len(line) <= width else line[: width - 3] + "..."


def evidence_lines(evidence: Iterable[Evidence]) -> tuple[str, ...]:
    """What to print below a finding, in the order of the evidence. Executions of several statements
    are summed up first."""
    items = tuple(evidence)
    executions = [one for one in items if isinstance(one, Executions)]
    lines: list[str] = []
    for one in items:
        if len(executions) > 1 and one is executions[0]:
            lines.append(_sum_of(executions))
        lines.extend(_lines_of(one))
    return tuple(lines)


def _sum_of(executions: list[Executions]) -> str:
    times = sum(one.executions for one in executions)
    rows = sum(one.rows for one in executions)
    return (
        f"executed {counted(times, 'time')} in all, {counted(rows, 'row')},"
        f" by {counted(len(executions), 'statement')}:"
    )


def _lines_of(evidence: Evidence) -> tuple[str, ...]:
    match evidence:
        case SourcePath(steps=steps):
            return tuple(f"{step.span} {step.note}" for step in steps)
        case Executions():
            head = f"executed {counted(evidence.executions, 'time')}"
            rows = counted(evidence.rows, "row")
            return (f"{head}, {rows}, {evidence.cause}: {shortened(evidence.shape)}",)
        case Growth():
            measured = f"law of {evidence.scenario} on {evidence.database}: {evidence.law}"
            return (f"grows {evidence.term} ({measured})",)
        case SchemaFact():
            return (f"schema of `{evidence.table}`: {evidence.fact}",)
        case FaultSeen():
            return (
                f"{evidence.verdict} when {evidence.fault} hit {shortened(evidence.statement)}",
                f"replay: {evidence.replay}",
            )[: 2 if evidence.replay else 1]
        case Estimated():
            law = shortened(evidence.statements)
            head = (
                f"statements of a call of `{evidence.function}`, as far as the source tells: {law}"
            )
            notes = counted(len(evidence.notes), "thing")
            more = f"; {notes} not counted, see `auditor explain-query`" if evidence.notes else ""
            return (f"{head}{more}", *(f"  {line}" for line in evidence.measured))
        case Plan():
            head = f"plan on {evidence.database} for {shortened(evidence.shape)}:"
            return (head, *(f"  {line}" for line in evidence.plan.splitlines()))
