"""Small programs on a real engine, and what must be said of their transactions.

A program has `run(engine)`, or `async def run(engine)`. Marks in its comments say all that must be
said, at default confidence, and nothing else:

    # emits DBA401     on this line
    # opened DBA401    the line that began the transaction, or checked the connection out
    # says DBA401 <words>
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy

from auditor.engine.recorded_source import recorded_project
from auditor.engine.running import over_tape
from auditor.model.evidence import SourcePath
from auditor.model.finding import Confidence, Finding
from auditor.model.settings import Settings
from auditor.model.tape import Tape
from auditor.registry import catalogue
from auditor.rule import OnTape
from auditor.runtime.rehearsal import rehearsed

HEAD = textwrap.dedent(
    """
    import asyncio, contextlib, http.client, http.server, os, subprocess, threading, time
    import sqlalchemy as sa
    from sqlalchemy import delete, select, text, update
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Session, declarative_base, relationship, scoped_session, sessionmaker

    Base = declarative_base()

    class Account(Base):
        __tablename__ = "accounts"
        id = sa.Column(sa.Integer, primary_key=True)
        name = sa.Column(sa.String(40), unique=True)
        balance = sa.Column(sa.Integer, default=0)

    class Order(Base):
        __tablename__ = "orders"
        id = sa.Column(sa.Integer, primary_key=True)
        account_id = sa.Column(sa.ForeignKey("accounts.id"), index=True)
        state = sa.Column(sa.String(10), default="new")
        version = sa.Column(sa.Integer, nullable=False)
        __mapper_args__ = {"version_id_col": version}

    ACCOUNT = update(Account).where(Account.id == 1)
    ORDER = update(Order).where(Order.id == 1)
    NO_ORDER = delete(Order).where(Order.id == 9)

    def prepare(engine):
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all([Account(id=1, name="a"), Account(id=2, name="b"), Order(id=1)])
            session.commit()

    """
)
OSLO = textwrap.dedent(
    """
    from oslo_db import api as oslo_api
    from oslo_db import exception as db_exc
    from oslo_db.sqlalchemy import enginefacade

    @enginefacade.transaction_context_provider
    class Context:
        pass

    manager = enginefacade.transaction_context()

    def configure(engine):
        manager.configure(connection=str(engine.url))
        manager.writer.get_engine().dispose()
        manager.patch_engine(engine)

    RETRY = oslo_api.wrap_db_retry(
        max_retries=3, retry_on_deadlock=True, retry_interval=0, inc_retry_interval=False
    )

    def dying(times):
        left = [times]
        def die():
            if left[0]:
                left[0] -= 1
                raise db_exc.DBDeadlock()
        return die

    """
)
_MARK = re.compile(r"# (?P<what>emits|opened|says) (?P<code>DBA\d{3})(?: <(?P<words>.*?)>)?")
_RULES = tuple(r for r in catalogue().rules if any(isinstance(c, OnTape) for c in r.checks))


Judged = Callable[..., tuple[list[str], list[str]]]


@pytest.fixture
def judged(tmp_path: Path) -> Judged:
    """Runs a program and gives what is said of it and what its marks ask for."""

    def run(source: str, *, oslo: bool = False) -> tuple[list[str], list[str]]:
        if oslo:
            pytest.importorskip("oslo_db")
            pytest.importorskip("oslo_concurrency")
        if "threading.Thread(" in source and sqlalchemy.__version__.startswith("1."):
            pytest.skip("SQLAlchemy 1.4 lets a SQLite connection be used by its own thread only")
        program = HEAD + (OSLO if oslo else "") + textwrap.dedent(source)
        return _said(program, tmp_path), _expected(source)

    return run


def _expected(source: str) -> list[str]:
    """`DBA401 emits <line>, opened <line>`: lines as text, so a program may be moved."""
    lines = source.split("\n")
    found: dict[str, dict[str, str]] = {}
    for line in lines:
        for mark in _MARK.finditer(line):
            if mark["what"] != "says":
                found.setdefault(mark["code"], {})[mark["what"]] = _code(line)
    return sorted(
        f"{code} emits {marks.get('emits', '')!r}, opened {marks.get('opened', '')!r}"
        for code, marks in found.items()
    )


def _code(line: str) -> str:
    return line.partition("  # ")[0].strip()


def _said(program: str, folder: Path) -> list[str]:
    tape = rehearsed((("program.py", program),), folder)
    findings, lines = _judged(tape, folder), program.split("\n")
    wants_opened = {m["code"] for m in _MARK.finditer(program) if m["what"] == "opened"}
    found = [
        f"{one.code} emits {_code(lines[one.span.line - 1])!r},"
        f" opened {(_opened(one, lines) if one.code in wants_opened else '')!r}"
        for one in findings
    ]
    return sorted(found) + [word for one in findings for word in _missing(one, program)]


def _judged(tape: Tape, folder: Path) -> list[Finding]:
    project, problems = recorded_project(tape, Settings(cache_dir="-"), folder)
    judged = over_tape(_RULES, tape, project)
    assert (problems, judged.problems, tape.losses) == ((), (), ())
    return [one for one in judged.findings if one.confidence is not Confidence.LOW]


def _opened(finding: Finding, lines: list[str]) -> str:
    """The line where the path of the evidence begins, else that of the finding."""
    path = next((one for one in finding.evidence if isinstance(one, SourcePath)), None)
    line = path.steps[0].span.line if path is not None else finding.span.line
    return _code(lines[line - 1])


def _missing(finding: Finding, program: str) -> list[str]:
    words = [m["words"] for m in _MARK.finditer(program) if m["code"] == finding.code]
    return [
        f"`{word}` is not in: {finding.message}"
        for word in words
        if word and word not in finding.message
    ]
