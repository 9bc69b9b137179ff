"""A tape in a report: as JSON values and back, and as the lines a reader wants first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auditor.model.finding import Problem
from auditor.model.tape import Cause, CauseKind, Entry, Site, Tape, TransactionEntry
from auditor.report.evidence import counted, frame_as_json, frames_from_json, shortened

Json = dict[str, Any]

SHOWN = 10
"""How many statements the text names, those executed most often."""


def tape_as_json(tape: Tape) -> Json:
    """Totals first, then every entry with all that is known of it."""
    return {
        "statements": tape.statements,
        "rows": tape.rows,
        "processes": tape.processes,
        "entries": [_entry_as_json(entry) for entry in tape.entries],
        "transactions": [_transaction_as_json(entry) for entry in tape.transactions],
        "losses": [problem_as_json(loss) for loss in tape.losses],
    }


def tape_from_json(value: Mapping[str, Any]) -> Tape:
    """The tape that `tape_as_json` wrote; KeyError, ValueError or TypeError if it is none."""
    return Tape(
        entries=tuple(_entry_from_json(entry) for entry in value["entries"]),
        transactions=tuple(_transaction_from_json(entry) for entry in value["transactions"]),
        losses=tuple(problem_from_json(loss) for loss in value["losses"]),
        processes=int(value["processes"]),
    )


def problem_as_json(problem: Problem) -> Json:
    """A problem with whether it hides results."""
    return {
        "subject": problem.subject,
        "message": problem.message,
        "hides_results": problem.hides_results,
    }


def problem_from_json(value: Mapping[str, Any]) -> Problem:
    """The problem that `problem_as_json` wrote."""
    return Problem(str(value["subject"]), str(value["message"]), bool(value["hides_results"]))


def _entry_as_json(entry: Entry) -> Json:
    return {
        "shape": entry.shape,
        "verb": entry.verb,
        "tables": list(entry.tables),
        "cause": {"kind": entry.cause.kind.value, "relation": entry.cause.relation},
        "stack": [frame_as_json(frame) for frame in entry.site.stack],
        "transaction": entry.transaction,
        "database": entry.database,
        "test": entry.test,
        "executions": entry.executions,
        "sent": entry.sent,
        "rows": entry.rows,
        "seconds": round(entry.seconds, 6),
        "errors": [{"error": name, "times": times} for name, times in entry.errors],
        "units": entry.units,
        "most_in_unit": entry.most_in_unit,
        "repeats": entry.repeats,
        "texts": entry.texts,
        "joined": list(entry.joined),
        "used": list(entry.used),
    }


def _entry_from_json(value: Mapping[str, Any]) -> Entry:
    cause = value["cause"]
    return Entry(
        shape=value["shape"],
        verb=value["verb"],
        tables=tuple(value["tables"]),
        site=Site(frames_from_json(value["stack"])),
        cause=Cause(CauseKind(cause["kind"]), cause["relation"]),
        transaction=value["transaction"],
        database=value["database"],
        test=value["test"],
        executions=int(value["executions"]),
        sent=int(value["sent"]),
        rows=int(value["rows"]),
        seconds=float(value["seconds"]),
        errors=tuple((error["error"], int(error["times"])) for error in value["errors"]),
        units=int(value["units"]),
        most_in_unit=int(value["most_in_unit"]),
        repeats=int(value.get("repeats", 0)),
        texts=int(value.get("texts", 0)),
        joined=tuple(value.get("joined", ())),
        used=tuple(value.get("used", ())),
    )


def _transaction_as_json(entry: TransactionEntry) -> Json:
    return {
        "kind": entry.kind,
        "stack": [frame_as_json(frame) for frame in entry.site.stack],
        "database": entry.database,
        "test": entry.test,
        "begun": entry.begun,
        "committed": entry.committed,
        "rolled_back": entry.rolled_back,
        "seconds": round(entry.seconds, 6),
    }


def _transaction_from_json(value: Mapping[str, Any]) -> TransactionEntry:
    return TransactionEntry(
        kind=value["kind"],
        site=Site(frames_from_json(value["stack"])),
        database=value["database"],
        test=value["test"],
        begun=int(value["begun"]),
        committed=int(value["committed"]),
        rolled_back=int(value["rolled_back"]),
        seconds=float(value["seconds"]),
    )


def tape_as_text(tape: Tape, shown: int = SHOWN) -> str:
    """Totals, then the statements executed most often with their site and cause."""
    if not tape.entries:
        return (
            "RECORDED 0 STATEMENTS: nothing was seen. Did the program use SQLAlchemy, and in this"
            " process tree?\n"
        )
    busiest = sorted(tape.entries, key=lambda e: (-e.executions, str(e.site.frame), e.shape))
    lines = [_totals(tape), *(_entry_line(entry) for entry in busiest[:shown])]
    if len(busiest) > shown:
        lines.append(f"    ... and {counted(len(busiest) - shown, 'more entry')}")
    return "\n".join(lines) + "\n"


def _totals(tape: Tape) -> str:
    begun = sum(entry.begun for entry in tape.transactions)
    rolled_back = sum(entry.rolled_back for entry in tape.transactions)
    return (
        f"recorded {counted(tape.statements, 'statement')}, {counted(tape.rows, 'row')},"
        f" {counted(begun, 'transaction')} ({rolled_back:,} rolled back),"
        f" {tape.processes:,} process{'' if tape.processes == 1 else 'es'}:"
    )


def _entry_line(entry: Entry) -> str:
    failed = sum(times for _, times in entry.errors)
    errors = f", {failed:,} failed" if failed else ""
    return (
        f"    {entry.executions:>7,} x {entry.site.frame}, {entry.cause}, {entry.transaction},"
        f" {counted(entry.rows, 'row')}{errors}\n              {shortened(entry.shape)}"
    )
