from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from auditor.cli.main import auditor
from auditor.engine import join, scan
from auditor.model.evidence import FaultSeen
from auditor.model.finding import Confidence, Finding, Severity
from auditor.model.outcome import FaultOutcome, Verdict
from auditor.model.settings import Settings
from auditor.model.span import Frame

SITE = Frame("app/db.py", 20, "create")
HANDLER = Frame("app/db.py", 25, "create")
BASE = Frame("app/base.py", 3, "save")
REPLAY = "auditor faults app.py::act --fault f --at 2"


def outcome(**given: Any) -> FaultOutcome:
    fixed: dict[str, Any] = {
        "scenario": "act",
        "database": "sqlite",
        "mode": "once",
        "statement": 2,
        "shape": "INSERT INTO labels (name) VALUES (?)",
        "site": BASE,
        "stack": (BASE, SITE, Frame("app/db.py", 90, "api")),
        "attempts": 1,
        "replay": REPLAY,
    }
    return FaultOutcome(**{**fixed, **given})


def found(*outcomes: FaultOutcome) -> list[tuple[str, int, str]]:
    return [(one.code, one.span.line, one.message) for one in join(outcomes).findings]


TAKEN = outcome(
    fault="taken",
    verdict=Verdict.LEAKED,
    escaped="oslo_db.exception.DBDuplicateEntry",
    subject="name",
    in_turn="app.errors.LabelExists",
)
GONE = outcome(
    fault="vanished",
    verdict=Verdict.MASKED,
    escaped="AttributeError",
    traceback=(HANDLER, SITE),
    in_turn="AttributeError",
)
MISTAKEN = outcome(
    fault="parent-vanished",
    verdict=Verdict.MISREPORTED,
    escaped="app.errors.LabelNotFound",
    subject="router_id -> routers.id",
    handlers=(HANDLER,),
    note="the call says this of `label_id -> labels.id` (parent-vanished): that did not happen",
)
REFERRED = outcome(
    fault="child-added",
    verdict=Verdict.LEAKED,
    escaped="oslo_db.exception.DBReferenceError",
    subject="rules.label_id -> labels.id",
)


@pytest.mark.parametrize(
    ("seen", "want"),
    [
        (
            TAKEN,
            (
                "DBA215",
                20,
                (
                    "another session stored the same `name` between the look-up and this statement:"
                    " `DBDuplicateEntry` reached the caller, and `LabelExists` is the answer when"
                    " the row was there before"
                ),
            ),
        ),
        (
            GONE,
            (
                "DBA220",
                25,
                (
                    "another session deleted the row before it was looked up, and its absence is"
                    " told as `AttributeError`"
                ),
            ),
        ),
        (
            MISTAKEN,
            (
                "DBA205",
                25,
                (
                    "the row behind `router_id -> routers.id` was gone, and the caller was told"
                    " `LabelNotFound`: the call says this of `label_id -> labels.id`"
                    " (parent-vanished): that did not happen"
                ),
            ),
        ),
        (
            REFERRED,
            (
                "DBA214",
                20,
                (
                    "another session stored a row that refers to it before this statement"
                    " (`rules.label_id -> labels.id`), and `DBReferenceError` reached the caller"
                ),
            ),
        ),
    ],
)
def test_what_a_second_session_shows_is_a_finding(
    seen: FaultOutcome, want: tuple[str, int, str]
) -> None:
    assert found(seen, seen) == [want]
    (finding,) = join((seen,)).findings
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.HIGH)
    assert finding.evidence == (
        FaultSeen("act", seen.fault, seen.shape, seen.verdict.value, REPLAY),
    )


@pytest.mark.parametrize(
    "seen",
    [
        outcome(fault="taken", verdict=Verdict.REPORTED, in_turn="app.errors.LabelExists"),
        outcome(
            fault="taken",
            verdict=Verdict.LEAKED,
            escaped="oslo_db.exception.DBDuplicateEntry",
            in_turn="oslo_db.exception.DBDuplicateEntry",
        ),
        outcome(
            fault="vanished",
            verdict=Verdict.LEAKED,
            escaped="sqlalchemy.exc.NoResultFound",
            traceback=(SITE,),
        ),
        outcome(fault="duplicate", verdict=Verdict.LEAKED, escaped="oslo_db.exception.DBError"),
    ],
)
def test_what_is_answered_or_never_looked_up_is_none(seen: FaultOutcome) -> None:
    assert found(seen) == []


SOURCE = """
from oslo_db import exception as db_exc
import sqlalchemy as sa
from sqlalchemy import orm
from auditor import scenario

Base = orm.declarative_base()


class Label(Base):
    __tablename__ = "labels"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(20), unique=True)


class Taken(Exception):
    pass


def create(session: orm.Session, name):
    if session.query(Label).filter_by(name=name).first() is not None:
        raise Taken(name)
    session.add(Label(name=name))
    session.commit()


def prepare(database):
    engine = sa.create_engine(database.url)
    Base.metadata.create_all(engine)
    return engine


@scenario(sizes={}, prepare=prepare)
def creating(engine):
    return lambda: create(orm.Session(engine), "a")
"""


def test_the_command_reports_it_and_the_report_joins_what_scan_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("app.py").write_text(SOURCE)
    result = CliRunner().invoke(auditor, ["faults", "app.py", "--fault", "taken"])
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:3] == [
        (
            "app.py:24:1 DBA215 another session stored the same `name` between the look-up and this"
            " statement: `IntegrityError` reached the caller, and `Taken` is the answer when the"
            " row was there before [check-then-insert]"
        ),
        "    leaked when taken hit INSERT INTO labels (name) VALUES (?)",
        "    replay: auditor faults app.py::creating --db sqlite:// --fault taken --at 2",
    ]
    scanned = scan((Path("app.py"),), Settings(select=("DBA215",), cache_dir="-"))
    seen = outcome(
        fault="taken",
        verdict=Verdict.LEAKED,
        escaped="sqlalchemy.exc.IntegrityError",
        site=Frame("app.py", 24, "create"),
        stack=(Frame("app.py", 24, "create"),),
        in_turn="app.Taken",
    )
    assert [_told(one) for one in scanned.findings] == [("DBA215", 23, Confidence.MEDIUM, 0)]
    assert [_told(one) for one in join(scanned, seen).findings] == [
        ("DBA215", 23, Confidence.HIGH, 1)
    ]


def _told(finding: Finding) -> tuple[str, int, Confidence, int]:
    seen = sum(isinstance(one, FaultSeen) for one in finding.evidence)
    return (finding.code, finding.span.line, finding.confidence, seen)
