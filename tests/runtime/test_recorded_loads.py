"""Repeated reads, relations loaded eagerly and whether they are read, rows of paged inserts."""

from __future__ import annotations

import gc
import pickle
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

from auditor.model.tape import Tape
from auditor.runtime.recorder import record

IS_14 = sa.__version__.startswith("1.")
Base: Any = orm.declarative_base()


class Lot(Base):  # type: ignore[misc]  # a class made at run time
    __tablename__ = "lots"
    id = sa.Column(sa.Integer, primary_key=True)
    owner_id = sa.Column(sa.Integer, sa.ForeignKey("holders.id"))
    bids = orm.relationship("Bid")
    holder = orm.relationship("Holder")


class Bid(Base):  # type: ignore[misc]  # a class made at run time
    __tablename__ = "bids"
    id = sa.Column(sa.Integer, primary_key=True)
    lot_id = sa.Column(sa.Integer, sa.ForeignKey("lots.id"))
    marks = orm.relationship("Mark")


class Mark(Base):  # type: ignore[misc]  # a class made at run time
    __tablename__ = "marks"
    id = sa.Column(sa.Integer, primary_key=True)
    bid_id = sa.Column(sa.Integer, sa.ForeignKey("bids.id"))


class Holder(Base):  # type: ignore[misc]  # a class made at run time
    __tablename__ = "holders"
    id = sa.Column(sa.Integer, primary_key=True)


@pytest.fixture
def engine() -> Iterator[Any]:
    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add_all(Lot(holder=Holder(), bids=[Bid(), Bid()]) for _ in range(3))
        session.commit()
    yield engine
    engine.dispose()


def repeats(tape: Tape) -> list[tuple[int, int]]:
    return [(entry.executions, entry.repeats) for entry in tape.entries if entry.verb == "SELECT"]


def loads(tape: Tape) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [(entry.joined, entry.used) for entry in tape.entries if entry.verb == "SELECT"]


def test_a_read_is_repeated_if_text_values_and_transaction_are_the_same(engine: Any) -> None:
    query = sa.text("SELECT id FROM lots WHERE id = :id")

    def read(connection: Any) -> None:
        for key in (1, 1, 2, -1, -2, 1):
            connection.execute(query, {"id": key}).all()

    with record() as recording:
        for _ in range(2):
            with engine.begin() as connection:
                read(connection)
    assert repeats(recording.tape) == [(12, 4)]


def test_a_write_and_a_rollback_to_a_savepoint_end_what_was_read(engine: Any) -> None:
    query = sa.text("SELECT id FROM lots")
    with record() as recording, engine.begin() as connection:
        for write in ("UPDATE lots SET id = id", "SAVEPOINT a", "ROLLBACK TO a", "SELECT 1"):
            connection.execute(query).all()
            connection.execute(sa.text(write))
        connection.execute(query).all()
    assert repeats(recording.tape)[0] == (4, 1)  # after SAVEPOINT alone; the last is another line


def test_values_that_cannot_be_hashed_or_compared_are_never_repeated() -> None:
    class Point:
        def __init__(self) -> None:
            self.x = 1

        def __hash__(self) -> int:
            raise RuntimeError("no hash")

    def adapted(point: Point) -> str:
        return str(point.x)

    import sqlite3  # lazy: only this test registers an adapter

    sqlite3.register_adapter(Point, adapted)
    engine = sa.create_engine("sqlite://")
    with record() as recording, engine.connect() as connection:
        for _ in range(3):
            connection.exec_driver_sql("SELECT ?", (Point(),)).all()
            connection.exec_driver_sql("SELECT ?", (bytearray(b"x"),)).all()
    engine.dispose()
    assert [(e.repeats, e.rows) for e in recording.tape.entries] == [(0, 3), (0, 3)]
    assert recording.tape.losses == ()


def test_asking_for_the_newest_state_is_no_repetition(engine: Any) -> None:
    query = sa.select(Lot).where(Lot.id == 1).execution_options(populate_existing=True)
    with record() as recording, orm.Session(engine) as session:
        lots = [session.execute(query).scalars().one() for _ in range(3)]
        for lot in lots:
            session.refresh(lot)
    assert [found for _, found in repeats(recording.tape)] == [0, 0]


def test_joined_relations_are_named_as_paths_and_used_when_they_are_read(engine: Any) -> None:
    query = sa.select(Lot).options(
        orm.joinedload(Lot.holder), orm.joinedload(Lot.bids).joinedload(Bid.marks)
    )
    with record() as recording, orm.Session(engine) as session:
        lots = session.execute(query).unique().scalars().all()
        assert [len(lot.bids) for lot in lots] == [2, 2, 2]
    assert loads(recording.tape) == [
        (("Lot.bids[]", "Lot.bids[] > Bid.marks[]", "Lot.holder"), ("Lot.bids",))
    ]


def test_a_read_belongs_to_the_statement_that_loaded_the_object(engine: Any) -> None:
    query = sa.select(Lot).options(orm.selectinload(Lot.bids))
    with record() as recording:
        with orm.Session(engine) as session:
            session.execute(query).scalars().all()
        with orm.Session(engine) as session:
            assert session.execute(query.where(Lot.id == 2)).scalars().one().bids
    used = [(entry.cause.kind.value, entry.used) for entry in recording.tape.entries]
    assert used == [
        ("explicit", ()),
        ("eager batch", ()),
        ("explicit", ("Lot.bids",)),
        ("eager batch", ()),
    ]


def test_pickling_reads_what_is_loaded(engine: Any) -> None:
    with record() as recording, orm.Session(engine) as session:
        query = sa.select(Lot).options(orm.joinedload(Lot.holder))
        pickle.dumps(session.execute(query).scalars().all())
    assert loads(recording.tape) == [(("Lot.holder",), ("Lot.holder",))]


def test_an_object_of_an_unknown_load_makes_every_eager_load_of_the_relation_used(
    engine: Any,
) -> None:
    with orm.Session(engine) as session:
        lots = session.execute(sa.select(Lot)).scalars().all()
        with record() as recording:
            query = sa.select(Lot).options(orm.selectinload(Lot.bids))
            session.execute(query).scalars().all()
            assert lots[0].bids
    assert [entry.used for entry in recording.tape.entries] == [(), ("Lot.bids",)]


def test_descriptors_are_given_back_and_no_object_is_kept(engine: Any) -> None:
    plain = type(vars(Lot)["bids"])
    session = orm.Session(engine)
    with record() as recording:
        query = sa.select(Lot).options(orm.selectinload(Lot.bids))
        lot: Any = session.execute(query).scalars().first()
        assert type(vars(Lot)["bids"]) is not plain
        assert Lot.bids.property.key == "bids"
        assert len(lot.bids) == 2
        gone = weakref.ref(lot)
        del lot
        session.close()
        gc.collect()
        assert gone() is None
    assert type(vars(Lot)["bids"]) is plain
    assert recording.tape.losses == ()


def test_texts_are_counted_if_their_literals_differ(engine: Any) -> None:
    with record() as recording, engine.connect() as connection:
        for key in range(20):
            connection.execute(sa.text(f"SELECT id FROM lots WHERE id = {key} LIMIT 3")).all()
            connection.execute(sa.text("SELECT id FROM bids WHERE id = :id"), {"id": key}).all()
            connection.execute(sa.text("SELECT id FROM marks WHERE id = 7")).all()
            connection.execute(sa.text(f"SELECT id FROM holders LIMIT {key}")).all()
    assert [entry.texts for entry in recording.tape.entries] == [16, 0, 1, 0]


@pytest.mark.skipif(IS_14, reason="SQLAlchemy 1.4 has no RETURNING on SQLite, and no pages")
def test_rows_of_an_insert_in_pages_are_counted(engine: Any) -> None:
    marks: Any = Mark
    with record() as recording, orm.Session(engine) as session:
        query = sa.insert(marks).returning(marks.id)
        keys = session.scalars(query, [{"bid_id": None}] * 1500).all()
        session.add_all([Mark(), Mark()])
        session.flush()
    rows = [entry.rows for entry in recording.tape.entries if entry.verb == "INSERT"]
    assert (len(keys), rows) == (1500, [1500, 0])
