"""What sweeps with a second session prove: the swept halves of DBA205, DBA214, DBA215 and DBA220.

Another session has really written between the program's look and its statement, and the database
has really answered. One finding for each line, however many sweeps and databases showed it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from auditor.model.evidence import FaultSeen
from auditor.model.finding import Confidence, Severity
from auditor.model.outcome import FaultOutcome, Verdict
from auditor.model.span import Frame, Span
from auditor.rule import Hit, Hits

_OF_THE_DATABASE = ("sqlalchemy.", "oslo_db.", "sqlite3.", "psycopg", "pymysql.", "MySQLdb.")
_MISTAKES = ("AttributeError", "TypeError")
_RAW = (Verdict.LEAKED, Verdict.RETRIED_IN_VAIN, Verdict.MASKED, Verdict.BROKEN_SESSION)
_MOST_SEEN = 5


def key_taken(outcomes: tuple[FaultOutcome, ...]) -> Hits:
    """Inserts that fail with the database's error, of a key for which the program has an answer
    when it was there before: so it does look, and looking is not enough."""
    yield from _hits(
        outcomes,
        lambda one: one.fault == "taken" and one.verdict in _RAW and _has_answer(one),
        _begun,
        "another session stored the same {subject} between the look-up and this statement:"
        " `{escaped}` reached the caller, and `{in_turn}` is the answer when the row was there"
        " before",
    )


def row_gone(outcomes: tuple[FaultOutcome, ...]) -> Hits:
    """Lines that use a row which another session had deleted."""
    yield from _hits(
        outcomes,
        lambda one: (
            one.fault == "vanished"
            and one.verdict is Verdict.MASKED
            and one.escaped in _MISTAKES
            and bool(one.traceback)
        ),
        lambda one: one.traceback[0],
        "another session deleted the row before it was looked up, and its absence is told as"
        " `{escaped}`",
    )


def reference_mistaken(outcomes: tuple[FaultOutcome, ...]) -> Hits:
    """Handlers that tell the missing row of one foreign key as that of another."""
    yield from _hits(
        outcomes,
        lambda one: (
            one.fault in {"parent-vanished", "reference"} and one.verdict is Verdict.MISREPORTED
        ),
        lambda one: one.handlers[0] if one.handlers else one.site,
        "the row behind {subject} was gone, and the caller was told `{escaped}`: {note}",
    )


def reference_unanswered(outcomes: tuple[FaultOutcome, ...]) -> Hits:
    """Statements whose violated foreign key reaches the caller as the database's error."""
    yield from _hits(
        outcomes,
        lambda one: one.fault in {"parent-vanished", "child-added"} and one.verdict in _RAW,
        _begun,
        "another session {did} before this statement ({subject}), and `{escaped}` reached the"
        " caller",
    )


def _has_answer(outcome: FaultOutcome) -> bool:
    """Whether the call copes with what the other session did if that came first."""
    told = outcome.in_turn
    return bool(told) and not told.startswith(_OF_THE_DATABASE) and told not in _MISTAKES


def _begun(outcome: FaultOutcome) -> Frame:
    """Where the work begins that the statement is part of: the innermost line in the file of the
    outermost caller. Layers that many callers share cannot answer for one; functions inside others
    are those of the scenario."""
    outwards = [frame for frame in outcome.stack if "<" not in frame.function]
    own = [frame for frame in outwards if frame.path == outwards[-1].path]
    return own[0] if own else outcome.site


def _hits(
    outcomes: Iterable[FaultOutcome],
    is_offence: Callable[[FaultOutcome], bool],
    place_of: Callable[[FaultOutcome], Frame],
    message: str,
) -> Hits:
    by_place: dict[Frame, list[FaultOutcome]] = {}
    for one in outcomes:
        if is_offence(one):
            by_place.setdefault(place_of(one), []).append(one)
    for place, found in by_place.items():
        yield Hit(
            Span(place.path, place.line, 1, place.line, 1),
            place.function,
            _fields(found[0]),
            tuple(
                FaultSeen(one.scenario, one.fault, one.shape, one.verdict.value, one.replay)
                for one in found[:_MOST_SEEN]
            ),
            confidence=Confidence.HIGH,
            severity=Severity.ERROR,
            message=message,
        )


def _fields(outcome: FaultOutcome) -> dict[str, str]:
    return {
        "subject": f"`{outcome.subject}`" if outcome.subject else "key",
        "escaped": outcome.escaped.rpartition(".")[2],
        "in_turn": outcome.in_turn.rpartition(".")[2],
        "note": outcome.note,
        "did": "stored a row that refers to it"
        if outcome.fault == "child-added"
        else "deleted the row that is referred to",
    }
