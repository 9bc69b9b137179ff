"""Correct programs that look at the database after a violation are not accused by what is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exc, orm

from auditor.backends.database import ScratchDatabase
from auditor.faults.sweep.run import sweep
from auditor.growth.scenario import Scenario
from auditor.model.outcome import Verdict

Base = orm.declarative_base()
TRULY = "the call looks at the database, so the row was really stored (`taken`)"


class Tag(Base):  # type: ignore[valid-type,misc]
    __tablename__ = "tags"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(20), unique=True, nullable=False)


class Exists(Exception):
    """The program's own word."""


def sessions(database: ScratchDatabase) -> Any:
    engine = sa.create_engine(database.url)
    Base.metadata.create_all(engine)
    return orm.sessionmaker(engine)


def named(session: Any) -> Any:
    return session.query(Tag).filter_by(name="new")


def gets_what_is_there(make: Any) -> str:
    with make() as session:
        try:
            session.add(Tag(name="new"))
            session.commit()
        except exc.IntegrityError:
            session.rollback()
        return str(named(session).one().name)


def counts_first(make: Any) -> None:
    with make() as session:
        try:
            session.add(Tag(name="new"))
            session.commit()
        except exc.IntegrityError as error:
            session.rollback()
            raise Exists(named(session).count()) from error


def looks_in_a_dead_session(make: Any) -> str:
    with make() as session:
        try:
            session.add(Tag(name="new"))
            session.commit()
        except exc.IntegrityError:
            return str(named(session).one().name)
        return "new"


def does_not_look(make: Any) -> str:
    with make() as session:
        try:
            session.add(Tag(name="new"))
            session.commit()
        except exc.IntegrityError:
            session.rollback()
        return "new"


def workload(act: Callable[[Any], Any]) -> Scenario:
    def populate(make: Any) -> Callable[[], Any]:
        with make() as session:
            session.add(Tag(name="old"))
            session.commit()
        return lambda: act(make)

    return Scenario(name=act.__name__, populate=populate, sizes=(), prepare=sessions)


@pytest.mark.parametrize(
    ("act", "verdict", "note"),
    [
        (gets_what_is_there, Verdict.RECOVERED, TRULY),
        (counts_first, Verdict.REPORTED, ""),
        (
            looks_in_a_dead_session,
            Verdict.MASKED,
            "a handler used the session that the error had broken",
        ),
        (
            does_not_look,
            Verdict.SWALLOWED,
            "the call returned as if done, and nothing of its work is stored",
        ),
    ],
)
@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mariadb"], indirect=True)
def test_a_pretended_duplicate_is_made_true_where_the_program_looks(
    act: Callable[[Any], Any], verdict: Verdict, note: str, database: str
) -> None:
    (outcome,) = sweep(workload(act), faults=("duplicate:name",), database=database, at=1)
    assert (outcome.verdict, outcome.note) == (verdict, note)
