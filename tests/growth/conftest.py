"""A small program with a law that is known: shelves of books, one lazy load for each shelf."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = """
from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import orm

from auditor.growth.scenario import scenario

Base = orm.declarative_base()


class Shelf(Base):
    __tablename__ = "shelves"
    id = sa.Column(sa.Integer, primary_key=True)
    books = orm.relationship("Book", order_by="Book.id")


class Book(Base):
    __tablename__ = "books"
    id = sa.Column(sa.Integer, primary_key=True)
    shelf_id = sa.Column(sa.ForeignKey("shelves.id"), nullable=False, index=True)


def count_books(session):
    session.execute(sa.text("SELECT 1"))
    return sum(len(shelf.books) for shelf in session.query(Shelf))


def engine_of(database):
    engine = sa.create_engine(database.url, poolclass=sa.pool.NullPool, future=True)
    Base.metadata.create_all(engine)
    return engine


@scenario(sizes={"shelves": (1, 2, 4), "books": (1, 2)}, prepare=engine_of, target="lib:count")
def library(engine, shelves, books):
    with orm.Session(engine) as session:
        session.add_all(Shelf(books=[Book() for _ in range(books)]) for _ in range(shelves))
        session.commit()

    def call():
        with orm.Session(engine) as session:
            return count_books(session)
    return call


@scenario(sizes={"shelves": (1, 2)}, prepare=engine_of)
def not_callable(engine, shelves):
    return 7


@scenario(sizes={"shelves": (1, 2)}, prepare=engine_of)
def failing(engine, shelves):
    def call():
        raise LookupError("no shelf 2")
    return call


@scenario(sizes={"shelves": (1, 2)}, prepare=engine_of, declared=("LookupError",))
def failing_as_declared(engine, shelves):
    def call():
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
        raise KeyError("shelf")
    return call


@scenario(sizes={"shelves": (1, 2)}, prepare=engine_of)
def unsteady(engine, shelves):
    def call():
        CALLS.append(1)
        with engine.connect() as connection:
            for _ in CALLS:
                connection.execute(sa.text("SELECT 1"))
    return call


@scenario(sizes={"shelves": (1, 2)}, prepare=engine_of)
def warming_up(engine, shelves):
    def call():
        with engine.connect() as connection:
            if not WARM:
                connection.execute(sa.text("SELECT 2"))
            WARM.append(1)
            connection.execute(sa.text("SELECT 1"))
    return call


@scenario(sizes={"shelves": (1, 2, 3)}, prepare=engine_of)
def doubling(engine, shelves):
    def call():
        with engine.connect() as connection:
            for _ in range(2 ** min(shelves, 8)):
                connection.execute(sa.text("SELECT 1"))
    return call


@scenario(sizes={"shelves": (1, 2)})
async def asynchronous(database, shelves):
    engine = sa.create_engine(database.url, poolclass=sa.pool.NullPool, future=True)

    async def call():
        with engine.connect() as connection:
            for _ in range(shelves):
                connection.execute(sa.text("SELECT 1"))
    return call


@scenario(sizes={"shelves": (1, 2)}, prepare=engine_of)
def leaving(engine, shelves):
    raise SystemExit(0)


@scenario(sizes={"shelves": (1, 2)})
def idle(database, shelves):
    print("a word of the program")
    return lambda: None


CALLS = []
WARM = []
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program in a file of a folder of its own, which is the working directory."""
    path = tmp_path / "library_scenarios.py"
    path.write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "library_scenarios", raising=False)
    return path


@pytest.fixture
def line_of(program: Path) -> Callable[[str], int]:
    """The number of the line of the program that holds a text."""
    lines = program.read_text().splitlines()
    return lambda text: next(n for n, line in enumerate(lines, 1) if text in line)
