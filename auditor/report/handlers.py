"""The truth table of handlers as JSON, as text and as Markdown.

pkg/ports.py:31:5 swallowing `except DBDuplicateEntry` logs it [DBA201]
    in create_port; its `try` writes Port; flushes or commits
    DBDuplicateEntry, proven: `session.add()`: `Port` has the unique key (name)
    swallowed at 1 of 3 faults that it saw, such as duplicate, once at statement 2 of `create`
    faults seen: recovered 2, swallowed 1
    replay: auditor faults ...
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from auditor.model.handler import (
    CaughtError,
    FaultAtHandler,
    HandlerRow,
    HandlerSeen,
    HandlerVerdict,
    MissingHandler,
    Reach,
)
from auditor.model.outcome import Verdict
from auditor.model.span import Frame
from auditor.report.evidence import (
    counted,
    frame_as_json,
    frames_from_json,
    span_as_json,
    span_from_json,
)

Json = Mapping[str, Any]
Prose = Callable[[str], str]


def handler_as_json(row: HandlerRow | MissingHandler) -> dict[str, Any]:
    """One key for each field in its order, the place flat."""
    found = {one.name: _plain(getattr(row, one.name)) for one in fields(row) if one.name != "span"}
    return {**span_as_json(row.span), **found}


def _plain(value: Any) -> Any:
    if isinstance(value, Frame):
        return frame_as_json(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    return value


def handler_from_json(value: Json) -> HandlerRow:
    """The row that `handler_as_json` wrote; KeyError, TypeError or ValueError if it is none."""
    return HandlerRow(
        span=span_from_json(value),
        function=value["function"],
        kind=value["kind"],
        caught=tuple(value["caught"]),
        errors=tuple(
            CaughtError(one["name"], Reach(one["reach"]), one["reason"]) for one in value["errors"]
        ),
        work=value["work"],
        answer=value["answer"],
        verdict=HandlerVerdict(value["verdict"]),
        reason=value["reason"],
        codes=tuple(value["codes"]),
        seen=HandlerSeen(int(value["seen"]["ran"]), int(value["seen"]["tried"])),
        sweeps=tuple(_fault(one) for one in value["sweeps"]),
    )


def _fault(value: Json) -> FaultAtHandler:
    found = {one.name: value[one.name] for one in fields(FaultAtHandler)}
    return FaultAtHandler(**{**found, "verdict": Verdict(value["verdict"])})


def missing_from_json(value: Json) -> MissingHandler:
    """The row that `handler_as_json` wrote of a missing handler."""
    return MissingHandler(
        span=span_from_json(value),
        function=value["function"],
        error=value["error"],
        constraint=value["constraint"],
        way=frames_from_json(value["way"]),
        confirmed=value["confirmed"],
        others=int(value["others"]),
    )


def handlers_as_text(
    rows: Sequence[HandlerRow], missing: Sequence[MissingHandler], *, verbose: bool = False
) -> str:
    """The table for people; what is untested stands on one line each, unless all is asked for."""
    lines = [line for row in rows for line in _row(row, verbose=verbose)]
    if missing:
        lines += ["", "errors that nothing takes on their way out of the program"]
        lines += [f"    {line}" for row in missing for line in _missing(row)]
    return "".join(f"{line}\n" for line in lines).lstrip("\n")


def totals_of(rows: Sequence[HandlerRow], missing: Sequence[MissingHandler]) -> str:
    """`98 handlers of database errors: 90 untested, 2 dead, ...`."""
    number = Counter(row.verdict for row in rows)
    verdicts = ", ".join(f"{number[one]} {one.value}" for one in HandlerVerdict if number[one])
    told = f"{counted(len(rows), 'handler')} of database errors"
    more = f"; {counted(len(missing), 'error')} without a handler" if missing else ""
    return f"{told}{f': {verdicts}' if verdicts else ''}{more}"


def _row(row: HandlerRow, *, verbose: bool) -> Iterator[str]:
    codes = f" [{', '.join(row.codes)}]" if row.codes else ""
    yield f"{row.span} {row.verdict.value} `{clause_of(row)}` {row.answer}{codes}"
    if row.verdict is HandlerVerdict.UNTESTED and not verbose:
        return
    yield f"    in {row.function}; its `try`: {row.work}"
    for error in row.errors:
        yield f"    {_last(error.name)}, {error.reach.value}: {error.reason}"
    if not any(row.reason.endswith(error.reason) for error in row.errors):
        yield f"    {row.reason}"
    if row.seen.tried or row.seen.ran:
        yield (
            f"    recorded: its `try` executed {counted(row.seen.tried, 'statement')}, and"
            f" {counted(row.seen.ran, 'error')} came to it"
        )
    yield from (f"    {line}" for line in _sweeps(row.sweeps))


def _sweeps(sweeps: Sequence[FaultAtHandler]) -> Iterator[str]:
    if sweeps:
        yield f"faults seen: {ends_of(sweeps)}"
    replays = dict.fromkeys(
        one.replay for one in (*(s for s in sweeps if not s.verdict.is_good), *sweeps) if one.replay
    )
    yield from (f"replay: {replay}" for replay in list(replays)[:1])


def ends_of(sweeps: Iterable[FaultAtHandler]) -> str:
    """`recovered 2, swallowed 1`."""
    number = Counter(one.verdict for one in sweeps)
    return ", ".join(f"{one.value} {number[one]}" for one in Verdict if number[one])


def _missing(row: MissingHandler) -> Iterator[str]:
    sure = "confirmed" if row.confirmed else "possible"
    more = f" and {row.others} more" if row.others else ""
    yield f"{row.span} {sure} {row.error} out of {row.function}{more}: {row.constraint}"
    yield f"    {' > '.join(f'{f.function}:{f.line}' for f in row.way)}"
    if row.confirmed:
        yield f"    replay: {row.confirmed}"


def clause_of(row: HandlerRow) -> str:
    """`except A, B`, as people write it."""
    names = ", ".join(row.caught)
    return f"suppress({names})" if row.kind == "suppress" else f"except {names}".rstrip()


def handlers_as_markdown(
    rows: Sequence[HandlerRow], missing: Sequence[MissingHandler], prose: Prose
) -> Iterator[str]:
    """Two tables: handlers, and errors without one."""
    if rows:
        yield "## Handlers of database errors"
        yield ""
        yield "| place | handler | can it come | verdict | reason |"
        yield "|---|---|---|---|---|"
        for row in rows:
            place = f"`{row.span.path}:{row.span.line}` `{row.function}`"
            codes = f" ({', '.join(row.codes)})" if row.codes else ""
            cells = (
                place,
                f"`{clause_of(row)}` {row.answer}",
                "<br>".join(_reach_cell(error, prose) for error in row.errors),
                f"**{row.verdict.value}**" if row.verdict.is_bad else row.verdict.value,
                f"{prose(row.reason)}{codes}",
            )
            yield f"| {' | '.join(cells)} |"
        yield ""
    if missing:
        yield "## Errors without a handler"
        yield ""
        yield "| from | error | what can be violated | way | |"
        yield "|---|---|---|---|---|"
        for one in missing:
            way = " > ".join(f"`{f.function}:{f.line}`" for f in one.way)
            sure = f"confirmed: `{one.confirmed}`" if one.confirmed else "possible"
            more = f" and {one.others} more" if one.others else ""
            place = f"`{one.span.path}:{one.span.line}` `{one.function}`{more}"
            yield f"| {place} | {one.error} | {prose(one.constraint)} | {way} | {sure} |"
        yield ""


def _reach_cell(error: CaughtError, prose: Prose) -> str:
    return f"`{_last(error.name)}` {error.reach.value}: {prose(error.reason)}"


def _last(name: str) -> str:
    return name.rpartition(".")[2]
