"""Each verdict: a source or an outcome that earns it, and one near by that does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.cli.handlers import table_of
from auditor.engine.context import linked
from auditor.engine.scanning import NO_CACHE
from auditor.model.handler import HandlerVerdict
from auditor.model.outcome import FaultOutcome, Verdict
from auditor.model.report import Report
from auditor.model.settings import Settings
from auditor.model.span import Frame
from auditor.model.tape import Cause, CauseKind, Entry, Site, Tape
from tests.handlers.handler_sources import table

LOGS = """
def f(session: Session):
    try:
        session.add(Shelf(name="a"))
        session.flush()
    except db_exc.DBDuplicateEntry:
        LOG.debug("there is one")
    return {"name": "a"}
"""
RAISES = LOGS.replace('LOG.debug("there is one")', "raise Refused() from None")
IN_WRITER = """
@enginefacade.writer
def f(context):
    try:
        context.session.add(Shelf(name="a"))
        context.session.flush()
    except db_exc.DBDuplicateEntry:
        return context.session.query(Shelf).first()
    return None
"""
IN_SAVEPOINT = IN_WRITER.replace(
    """        context.session.add(Shelf(name="a"))
        context.session.flush()""",
    """        with context.session.begin_nested():
            context.session.add(Shelf(name="a"))""",
)
ONE_MEANING = """
class Pair(Base):
    __tablename__ = "pairs"
    id = Column(Integer, primary_key=True)
    shelf_id = Column(Integer, ForeignKey("shelves.id"))
    book_id = Column(Integer, ForeignKey("books.id"))


def f(session: Session):
    try:
        session.add(Pair())
        session.flush()
    except db_exc.DBReferenceError as error:
        raise Refused() from error
"""
ONE_KEY = ONE_MEANING.replace("session.add(Pair())", "session.add(Book())")


@pytest.mark.parametrize(
    ("code", "want", "codes"),
    [
        (LOGS, HandlerVerdict.SWALLOWING, ("DBA201",)),
        (RAISES, HandlerVerdict.UNTESTED, ()),
        (IN_WRITER, HandlerVerdict.BREAKS_SESSION, ("DBA212",)),
        (IN_SAVEPOINT, HandlerVerdict.UNTESTED, ()),
        (ONE_MEANING, HandlerVerdict.WRONG_MAPPING, ("DBA205",)),
        (ONE_KEY, HandlerVerdict.UNTESTED, ()),
    ],
)
def test_findings_of_the_error_rules_give_the_verdict(
    tmp_path: Path, code: str, want: HandlerVerdict, codes: tuple[str, ...]
) -> None:
    (row,) = table(tmp_path, code).handlers
    assert (row.verdict, row.codes) == (want, codes)


def joined(
    folder: Path, code: str, *ends: Verdict, tape: Tape | None = None, escaped: str = ""
) -> Report:
    """The table of `code` with one fault for each end, which its first handler saw."""
    (row, *_) = table(folder, code).handlers
    frame = Frame(row.span.path, row.span.line, row.function)
    faults = tuple(
        FaultOutcome(
            scenario="create",
            database="sqlite",
            fault="duplicate",
            mode="once",
            statement=number,
            shape="INSERT INTO shelves (name) VALUES (?)",
            site=frame,
            verdict=end,
            attempts=1,
            handlers=(frame,),
            escaped=escaped,
        )
        for number, end in enumerate(ends, 1)
    )
    settings = Settings(cache_dir=NO_CACHE, jobs=1)
    found = linked([folder / "shop.py"], settings)
    return table_of(found, settings, Report(faults=faults, tape=tape))


@pytest.mark.parametrize(
    ("end", "code", "want"),
    [
        (Verdict.RECOVERED, RAISES, HandlerVerdict.GOOD),
        (Verdict.REPORTED, RAISES, HandlerVerdict.GOOD),
        (Verdict.LEAKED, RAISES, HandlerVerdict.GOOD),
        (Verdict.MISREPORTED, RAISES, HandlerVerdict.WRONG_MAPPING),
        (Verdict.MASKED, RAISES, HandlerVerdict.BREAKS_SESSION),
        (Verdict.BROKEN_SESSION, RAISES, HandlerVerdict.GOOD),
        (Verdict.SWALLOWED, RAISES, HandlerVerdict.GOOD),
        (Verdict.NOT_REACHED, RAISES, HandlerVerdict.UNTESTED),
        (Verdict.SWALLOWED, LOGS, HandlerVerdict.SWALLOWING),
        (Verdict.HALF_COMMITTED, LOGS, HandlerVerdict.SWALLOWING),
        (Verdict.BROKEN_SESSION, LOGS, HandlerVerdict.BREAKS_SESSION),
    ],
)
def test_the_end_of_a_fault_gives_the_verdict_of_the_handler_that_ended_it(
    tmp_path: Path, end: Verdict, code: str, want: HandlerVerdict
) -> None:
    (row,) = joined(tmp_path, code, end).handlers
    assert row.verdict == want


@pytest.mark.parametrize(
    ("escaped", "want"),
    [
        ("shop.Refused", HandlerVerdict.BREAKS_SESSION),
        ("sqlalchemy.exc.PendingRollbackError", HandlerVerdict.GOOD),
    ],
)
def test_who_reports_and_leaves_the_session_dead_breaks_it(
    tmp_path: Path, escaped: str, want: HandlerVerdict
) -> None:
    (row,) = joined(tmp_path, RAISES, Verdict.BROKEN_SESSION, escaped=escaped).handlers
    assert row.verdict == want


def test_what_is_seen_refutes_what_is_assumed(tmp_path: Path) -> None:
    (row,) = joined(tmp_path, LOGS, Verdict.RECOVERED).handlers
    assert (row.verdict, row.codes, row.reason) == (
        HandlerVerdict.GOOD,
        ("DBA201",),
        "1 fault that it saw came to a good end",
    )


def test_one_bad_end_among_good_ones_counts(tmp_path: Path) -> None:
    (row,) = joined(tmp_path, LOGS, Verdict.RECOVERED, Verdict.SWALLOWED).handlers
    assert (row.verdict, row.reason) == (
        HandlerVerdict.SWALLOWING,
        (
            "swallowed at 1 of 2 faults that it saw, such as duplicate, once at statement 2 of"
            " `create` on sqlite"
        ),
    )


def test_a_handler_that_was_seen_to_run_is_not_dead(tmp_path: Path) -> None:
    code = RAISES.replace("DBDuplicateEntry", "DBReferenceError")
    (static,) = table(tmp_path, code).handlers
    (row,) = joined(tmp_path, code, Verdict.REPORTED).handlers
    assert (static.verdict, row.verdict) == (HandlerVerdict.DEAD, HandlerVerdict.GOOD)


CONVERTED = f"""
{RAISES}

def g(session: Session):
    try:
        f(session)
    except Refused:
        raise
    except db_exc.DBDuplicateEntry:
        raise KeyError("never") from None


def h(session: Session):
    try:
        f(session)
    except (Refused, db_exc.DBDeadlock):
        return None
    return 1
"""


def failing(path: str, *lines: tuple[int, str]) -> Tape:
    """A recording in which one statement failed, with this call path."""
    entry = Entry(
        shape="INSERT INTO shelves (name) VALUES (?)",
        verb="INSERT",
        tables=("shelves",),
        site=Site(tuple(Frame(path, line, function) for line, function in lines)),
        cause=Cause(CauseKind.FLUSH),
        transaction="writer",
        database="sqlite",
        test="",
        executions=2,
        sent=2,
        rows=0,
        seconds=0.0,
        errors=(("oslo_db.exception.DBDuplicateEntry", 1),),
    )
    return Tape((entry,))


def test_what_a_handler_raises_is_followed_outwards_in_a_recording(tmp_path: Path) -> None:
    rows = table(tmp_path, CONVERTED).handlers
    inner, _, outer = rows
    tape = failing("shop.py", (inner.span.line - 1, "f"), (outer.span.line - 1, "h"))
    got = joined(tmp_path, CONVERTED, tape=tape).handlers
    assert [(row.function, row.seen.ran, row.seen.tried) for row in got] == [
        ("f", 1, 2), ("g", 0, 0), ("h", 1, 2),
    ]  # fmt: skip


def test_a_line_below_the_try_is_not_of_it(tmp_path: Path) -> None:
    (row,) = table(tmp_path, RAISES).handlers
    tape = failing("shop.py", (row.span.line + 1, "f"))
    (got,) = joined(tmp_path, RAISES, tape=tape).handlers
    assert got.seen.tried == 0
