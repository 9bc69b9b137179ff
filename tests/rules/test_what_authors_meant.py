"""Pairs of a finding that is shown and its near miss, which only `--confidence low` shows."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from auditor.engine import scan
from auditor.model.finding import Confidence
from auditor.model.settings import Settings

LOW, MEDIUM, HIGH = Confidence.LOW, Confidence.MEDIUM, Confidence.HIGH
RANGES = """
    import sqlalchemy as sa
    from sqlalchemy import orm

    Base = orm.declarative_base()

    class Range(Base):
        __tablename__ = "ranges"
        __table_args__ = (sa.UniqueConstraint("network", "physical"),)
        id = sa.Column(sa.Integer, primary_key=True)
        network = sa.Column(sa.String(36), nullable=False)
        physical = sa.Column({physical})
"""
SAVED = """
    from oslo_db import exception as db_exc

    def create(rule, label_id):
        try:
            rule.create()
        except db_exc.DBReferenceError:
            {logged}
            raise LabelNotFound(label_id=label_id)
"""
DECIDED = """
    from sqlalchemy.exc import OperationalError

    def lock(session, statement):
        try:
            session.execute(statement)
        except OperationalError as error:
            if "{text}" in str(error):
                return False
            raise
"""
SEARCHED = """
    from sqlalchemy import select
    from app.models import Account

    def accounts(session, name):
        pattern = name{built}
        return session.scalars(select(Account).where(Account.name.like(pattern))).all()
"""
TAGGED = """
    from oslo_db import exception as db_exc

    def tag(session, row):
        try:
            {write}
        except db_exc.DBDuplicateEntry:
            pass
        return row
"""
STORED = """
    from sqlalchemy.orm import Session

    def store(session: Session, row):
        try:
            session.add(row)
            session.commit()
            return row
        except Exception:
            return {told}
"""
FOUND = """
    from sqlalchemy.exc import IntegrityError

    def store(session, row, index):
        try:
            session.execute(row)
        except IntegrityError as error:
            if {text} in str(error):
                return False
            raise
"""
INDEXED = """
    {imports}

    def make(client, index):
        try:
            client.execute(index)
        except Exception as error:
            if "already exists" in str(error):
                return False
            raise
"""
ENCRYPTED = """
    from app.models import Setting

    def encrypt(session, secret):
        {made}
        session.query(Setting).update({{Setting.mail: "x"}})
"""
REMOVED = """
    from sqlalchemy import delete
    from sqlalchemy.orm import Session
    from app.models import Run

    def forget(session: Session, name):
        statement = delete(Run).where(Run.name == name){returning}
        result = session.execute(statement)
        return len(result.scalars().all())
"""
SEEDED = """
    import sqlalchemy as sa
    from sqlalchemy.orm import Session, declarative_base
    {imports}

    Base = declarative_base()

    class Setting(Base):
        __tablename__ = "settings"
        id = sa.Column(sa.Integer, primary_key=True)
        name = sa.Column(sa.String(9), unique=True)

    def seed(session: Session, name):
        if not session.query(Setting).filter_by(name=name).first():
            session.add(Setting(name=name))
            session.flush()
"""
BATCHED = """
    from sqlalchemy.orm import Session

    def store(session: Session, statement, links):
        batch = []
        for link in links:
            batch.append(link)
            if {test}:
                session.execute(statement, batch)
                batch = []
"""
OWNED = """
    import sqlalchemy as sa
    from sqlalchemy import orm

    Base = orm.declarative_base()
    MODELS = {{"owner": Owner}}

    class Pet(Base):
        __tablename__ = "pets"
        id = sa.Column(sa.Integer, primary_key=True)

    class Owner(Base):
        __tablename__ = "owners"
        id = sa.Column(sa.Integer, primary_key=True)
        name = sa.Column(sa.String(9))

    def load(session: orm.Session, models, kind, name):
        model = {model}
        return session.query(model).filter(Owner.name == name).all()
"""
MADE = """
    from sqlalchemy import text

    def set_up(connection, home):
        connection.execute(text(f"{statement} '{{home}}'"))
"""
TILES = """
    from sqlalchemy import text

    class Views:
        def tiles(self, session):
            name = self.request.{source}["name"]
            return session.execute(text(f"SELECT tile FROM tiles WHERE name = '{{name}}'"))
"""
NAMED = """
    from sqlalchemy.orm import Session
    from app.models import Label

    def label(session: Session, label_id):
        return session.query(Label).filter_by(id=label_id).one()

    def show(session: Session, label_id):
        {before}
        return label(session, label_id)
"""
WRITTEN = """
    from sqlalchemy import update
    from app.models import Label

    def change(session, label_id, rows):
        session.execute(update(Label).values(shared=True){rows})
"""
KEPT = """
    from sqlalchemy.orm import Session
    from app.models import Key

    def value(session: Session, name):
        return session.query(Key).filter_by(name={key}).first().value
"""
NESTED = "with session.begin_nested(): session.add(row)"


@pytest.mark.parametrize(
    ("code", "source", "confidence"),
    [
        ("DBA504", RANGES.format(physical="sa.String(64)"), MEDIUM),
        ("DBA504", RANGES.format(physical="sa.String(64), nullable=True"), LOW),
        ("DBA504", RANGES.format(physical='sa.ForeignKey("nets.id", ondelete="SET NULL")'), LOW),
        ("DBA208", SAVED.format(logged='LOG.warning("no label")'), HIGH),
        ("DBA208", SAVED.format(logged='LOG.exception("no label")'), LOW),
        ("DBA208", SAVED.format(logged='LOG.error("no label", exc_info=True)'), LOW),
        ("DBA207", DECIDED.format(text="deadlock"), MEDIUM),
        ("DBA207", DECIDED.format(text="database is locked"), LOW),
        ("DBA207", DECIDED.format(text="UndefinedColumn"), LOW),
        ("DBA107", SEARCHED.format(built=' + "%"'), MEDIUM),
        ("DBA107", SEARCHED.format(built='.replace("*", "%") + "%"'), LOW),
        ("DBA201", TAGGED.format(write="session.add(row); session.flush()"), LOW),
        ("DBA201", TAGGED.format(write=NESTED), LOW),
        ("DBA201", STORED.format(told="None"), LOW),
        ("DBA201", STORED.format(told="True"), LOW),
        ("DBA105", WRITTEN.format(rows=""), MEDIUM),
        ("DBA105", WRITTEN.format(rows=", rows"), None),
        ("DBA220", KEPT.format(key="name"), MEDIUM),
        ("DBA220", KEPT.format(key='"SECRET_KEY"'), LOW),
        ("DBA221", NAMED.format(before="pass"), LOW),
        ("DBA221", NAMED.format(before="session.get(Label, label_id)"), LOW),
        ("DBA207", FOUND.format(text='"ix_names"'), LOW),
        ("DBA207", FOUND.format(text='"unique constraint"'), MEDIUM),
        ("DBA207", FOUND.format(text="index"), LOW),
        ("DBA207", INDEXED.format(imports="import sqlalchemy"), MEDIUM),
        ("DBA207", INDEXED.format(imports="import firestore"), None),
        ("DBA105", ENCRYPTED.format(made="print(secret)"), MEDIUM),
        ("DBA105", ENCRYPTED.format(made="box = Fernet(secret)"), LOW),
        ("DBA306", REMOVED.format(returning=""), HIGH),
        ("DBA306", REMOVED.format(returning=".returning(Run.id)"), LOW),
        ("DBA215", SEEDED.format(imports="import logging"), MEDIUM),
        ("DBA215", SEEDED.format(imports="from alembic import op"), None),
        ("DBA301", BATCHED.format(test="link"), MEDIUM),
        ("DBA301", BATCHED.format(test="len(batch) >= 500"), None),
        ("DBA311", OWNED.format(model="Pet"), MEDIUM),
        ("DBA311", OWNED.format(model="models.get(kind)"), None),
        ("DBA101", MADE.format(statement="SELECT id FROM homes WHERE path ="), HIGH),
        ("DBA101", MADE.format(statement="CREATE FUNCTION f() AS $$ return"), None),
        ("DBA101", TILES.format(source="matchdict"), HIGH),
        ("DBA101", TILES.format(source="registry.settings"), MEDIUM),
    ],
)
def test_what_the_author_meant_lowers_the_confidence(
    tmp_path: Path, code: str, source: str, confidence: Confidence | None
) -> None:
    (tmp_path / "store.py").write_text(dedent(source), "utf-8")
    report = scan([tmp_path], Settings(confidence=LOW, select=(code,)))
    want = [] if confidence is None else [(code, confidence)]
    assert [(f.code, f.confidence) for f in report.findings] == want


LOOPS = """
    from sqlalchemy.orm import Session
    from app.models import Parent

    def once(session: Session, fields: dict):
        for name, value in fields.items():
            if name == "parent":
                session.query(Parent).filter_by(id=value).one()

    def often(session: Session, fields: list):
        for name, value in fields:
            if name == "parent":
                session.query(Parent).filter_by(id=value).one()

    def inner(session: Session, rows: list[dict]):
        for row in rows:
            for name, value in row.items():
                if name == "parent":
                    session.query(Parent).filter_by(id=value).one()
"""


def test_one_key_of_a_dict_is_met_once(tmp_path: Path) -> None:
    (tmp_path / "store.py").write_text(dedent(LOOPS), "utf-8")
    report = scan([tmp_path], Settings(select=("DBA301",)))
    assert [f.function for f in report.findings] == ["often", "inner"]
    assert "the loop on line 16" in report.findings[1].message


MADE = """
    from sqlalchemy.orm import Session
    from app.models import Realm

    def made(session: Session, name):
        session.add(Realm(name=name))
        session.commit()
        return session.query(Realm).filter_by(name=name).first().id

    def perhaps(session: Session, name, wanted):
        if wanted:
            session.add(Realm(name=name))
        return session.query(Realm).filter_by(name=name).first().id
"""


def test_a_row_that_the_lines_before_made_is_there(tmp_path: Path) -> None:
    (tmp_path / "store.py").write_text(dedent(MADE), "utf-8")
    report = scan([tmp_path], Settings(select=("DBA220",)))
    assert [f.function for f in report.findings] == ["perhaps"]


DATED = """
    from sqlalchemy import text
    from app.words import http_date, now_utc, owner_of

    def stamp(connection):
        connection.execute(text("UPDATE t SET seen = '%s' WHERE id = 1" % http_date(now_utc())))

    def name(connection):
        connection.execute(text("UPDATE t SET name = '%s' WHERE id = 1" % owner_of(now_utc())))
"""


def test_a_time_as_it_is_written_for_people_is_no_value_that_somebody_sent(tmp_path: Path) -> None:
    (tmp_path / "store.py").write_text(dedent(DATED), "utf-8")
    report = scan([tmp_path], Settings(select=("DBA101",)))
    assert [f.function for f in report.findings] == ["name"]
