"""Findings of family 3xx that are shown, each with a near miss that is not."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from auditor.engine import scan
from auditor.model.finding import Confidence
from auditor.model.settings import Settings

LOW, MEDIUM, HIGH = Confidence.LOW, Confidence.MEDIUM, Confidence.HIGH
REWRITTEN = """
    import sqlalchemy as sa
    {imports}

    labels = sa.table("labels", sa.column("id"), sa.column("key"))

    def rewrite(connection: sa.Connection, hashed, keys):
        for key in keys:
            connection.execute(
                sa.update(labels).where(labels.c.id == key).values(key=hashed(key))
            )
"""
ASKED = """
    import sqlalchemy as sa
    {imports}

    labels = sa.table("labels", sa.column("id"), sa.column("key"))

    def answers(connection: sa.Connection, keys):
        for key in keys:
            yield connection.execute(sa.select(labels).where(labels.c.id == key)).fetchone()
"""
CREATED = """
    from sqlalchemy.orm import Session
    from app.models import Kind, Label

    def create_all(session: Session, names):
        for name in names:
            create(session, name)

    def create(session: Session, name):
        check(session, name)
        {change}

    def check(session: Session, name):
        if session.query(Kind).filter_by(name=name).first() is None:
            raise ValueError(name)
"""
TRIED = """
    from sqlalchemy.orm import Session
    from app.models import Label

    def create_all(session: Session, names):
        for name in names:
            {create}

    def create(session: Session, name):
        if session.query(Label).filter_by(name=name).first() is None:
            session.add(Label(name=name))
"""
TRY = """try:
                create(session, name)
            except ValueError:
                print(name)"""
KINDS = """
    from sqlalchemy import select
    from sqlalchemy.orm import Session
    from app.models import Label, mapped

    def names(session: Session, kinds):
        for kind in kinds:
            model = mapped(kind)
            yield session.scalars(select({model})).all()
"""
CLEARED = """
    import sqlalchemy as sa
    from sqlalchemy import orm

    Base = orm.declarative_base()

    class Range(Base):
        __tablename__ = "ranges"
        id = sa.Column(sa.Integer, primary_key=True)

    def clear(session: orm.Session, wanted):
        for found in session.query(Range){chosen}:
            if found.id not in wanted:
                session.delete(found)
"""
STEP, COMMAND = "from alembic import op", "from alembic import command"


@pytest.mark.parametrize(
    ("code", "source", "confidence"),
    [
        ("DBA303", REWRITTEN.format(imports=COMMAND), MEDIUM),
        ("DBA303", REWRITTEN.format(imports=STEP), LOW),
        ("DBA303", REWRITTEN.format(imports='down_revision = "1a2b"'), LOW),
        ("DBA301", ASKED.format(imports=COMMAND), HIGH),
        ("DBA301", ASKED.format(imports=STEP), LOW),
        ("DBA301", CREATED.format(change="return name"), MEDIUM),
        ("DBA301", CREATED.format(change="session.add(Label(name=name))"), LOW),
        ("DBA301", TRIED.format(create="create(session, name)"), MEDIUM),
        ("DBA301", TRIED.format(create=TRY), LOW),
        ("DBA301", KINDS.format(model="Label"), HIGH),
        ("DBA301", KINDS.format(model="model"), LOW),
        ("DBA303", CLEARED.format(chosen=""), MEDIUM),
        ("DBA303", CLEARED.format(chosen=".filter(Range.id < 9)"), LOW),
    ],
)
def test_what_the_code_around_tells_decides_what_is_shown(
    tmp_path: Path, code: str, source: str, confidence: Confidence
) -> None:
    (tmp_path / "store.py").write_text(dedent(source), "utf-8")
    report = scan([tmp_path], Settings(select=(code,), confidence=LOW))
    assert {f.confidence for f in report.findings} - {LOW} == {confidence} - {LOW}
    assert report.findings
