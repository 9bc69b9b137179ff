"""What `auditor.seed` writes, on each database that is here, whole rows for small sizes."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import shutil
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.pool import NullPool

import auditor
from auditor.backends.database import ScratchDatabase
from auditor.backends.scratch import open_scratch

HAS_MARIADB = any(map(shutil.which, ("mariadbd", "/usr/sbin/mariadbd")))
NEEDS_MARIADB = pytest.mark.skipif(not HAS_MARIADB, reason="no MariaDB server is installed")
KINDS = (
    "sqlite://",
    "postgresql",
    pytest.param("postgresql+psycopg2", marks=pytest.mark.slow),
    pytest.param("mysql", marks=NEEDS_MARIADB),
)
pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.* does .not. support Decimal")
Base: Any = orm.declarative_base()


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Quarter(sa.types.TypeDecorator):  # type: ignore[type-arg]
    """A number of quarters as a text; takes numbers only."""

    impl = sa.String(10)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str:
        return f"{value / 4}"

    def process_result_value(self, value: Any, dialect: Any) -> float:
        return float(value)


def table(name: str, *parts: Any, **options: Any) -> sa.Table:
    return sa.Table(name, Base.metadata, *parts, **options)


def key(name: str = "id", *more: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer, *more, primary_key=True)


class Person(Base):  # type: ignore[misc]  # SQLAlchemy 1.4 has no typed base
    __tablename__ = "people"
    id = key()
    kind = sa.Column(sa.String(20), nullable=False)
    __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "person"}  # noqa: RUF012


class Engineer(Person):
    __tablename__ = "engineers"
    id = key("id", sa.ForeignKey("people.id"))
    __mapper_args__ = {"polymorphic_identity": "engineer"}  # noqa: RUF012


class Manager(Person):
    __tablename__ = "managers"
    id = key("id", sa.ForeignKey("people.id"))
    __mapper_args__ = {"polymorphic_identity": "manager"}  # noqa: RUF012


TENANTS = table("tenants", key(), sa.Column("name", sa.String(8), nullable=False, unique=True))
USERS = table(
    "users",
    sa.Column("tenant_id", sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
)
TEAMS = table(
    "teams",
    sa.Column("tenant_id", sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
)
MEMBERS = table(
    "members",
    sa.Column("tenant_id", sa.Integer, primary_key=True),
    sa.Column("user_id", sa.Integer, primary_key=True),
    sa.Column("team_id", sa.Integer, primary_key=True),
    sa.ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"]),
    sa.ForeignKeyConstraint(["tenant_id", "team_id"], ["teams.tenant_id", "teams.id"]),
)
NODES = table("nodes", key(), sa.Column("parent", sa.ForeignKey("nodes.id")))
LINKS = table(
    "links", key(), sa.Column("before", sa.ForeignKey("links.id"), nullable=True, unique=True)
)
LIKES = table(
    "likes",
    sa.Column("node", sa.ForeignKey("nodes.id"), primary_key=True),
    sa.Column("tenant", sa.ForeignKey("tenants.id"), primary_key=True),
)
CARS = table(
    "cars", key(), sa.Column("driver", sa.ForeignKey("drivers.id", name="driven", use_alter=True))
)
DRIVERS = table(
    "drivers", key(), sa.Column("car", sa.ForeignKey("cars.id"), nullable=False, unique=True)
)
PASSPORTS = table("passports", key("tenant", sa.ForeignKey("tenants.id")))
TYPES = table(
    "every_type",
    key(),
    sa.Column("code", sa.String(36), nullable=False),
    sa.Column("token_id", sa.String(32)),
    sa.Column("text", sa.Text),
    sa.Column("letter", sa.String(1)),
    sa.Column("big", sa.BigInteger),
    sa.Column("colour", sa.Enum(Colour, name="colour")),
    sa.Column("flag", sa.Boolean),
    sa.Column("on", sa.Boolean, default=True),
    sa.Column("price", sa.Numeric(6, 2)),
    sa.Column("share", sa.Numeric(2, 2)),
    sa.Column("ratio", sa.Float),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("moment", sa.DateTime, nullable=False),
    sa.Column("hour", sa.Time, nullable=False),
    sa.Column("removed", sa.DateTime),
    sa.Column("pause", sa.Interval),
    sa.Column("data", sa.JSON),
    sa.Column("blob", sa.LargeBinary),
    sa.Column("quarter", Quarter),
    sa.Column("given", sa.String(5), server_default="given"),
    sa.Column("doubled", sa.Integer, sa.Computed("big * 2")),
)
CHECKED = table(
    "checked",
    key(),
    sa.Column("age", sa.Integer, sa.CheckConstraint("age >= 18"), nullable=False),
    sa.Column("word", sa.String(20), nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("starts", sa.Integer, nullable=False),
    sa.Column("ends", sa.Integer, nullable=False),
    sa.Column("rate", sa.Numeric(5, 4), nullable=False),
    sa.CheckConstraint("age > 5 AND (age < 20)"),
    sa.CheckConstraint("length(word) BETWEEN 0 AND 20 AND length(word) >= 9"),
    sa.CheckConstraint("state IN ('new', 'old')"),
    sa.CheckConstraint("starts < ends"),
    sa.CheckConstraint("rate > 0 AND rate < 1"),
)


def engine_of(database: ScratchDatabase) -> sa.Engine:
    engine = sa.create_engine(database.url, poolclass=NullPool, future=True)
    if database.dialect == "sqlite":
        sa.event.listen(engine, "connect", lambda one, _: one.execute("PRAGMA foreign_keys=ON"))
    return engine


@pytest.fixture(scope="module", params=KINDS)
def scratch(request: pytest.FixtureRequest) -> Iterator[ScratchDatabase]:
    with open_scratch(request.param) as database:
        Base.metadata.create_all(engine_of(database))
        yield database


@pytest.fixture
def engine(scratch: ScratchDatabase) -> sa.Engine:
    scratch.empty()
    return engine_of(scratch)


@pytest.fixture
def rows(engine: sa.Engine) -> Callable[[sa.Table], list[tuple[Any, ...]]]:
    def read(of: sa.Table) -> list[tuple[Any, ...]]:
        with engine.connect() as connection:
            query = sa.select(of).order_by(*of.primary_key.columns)
            return [tuple(row) for row in connection.execute(query)]

    return read


def test_children_are_spread_over_parents_row_by_row(engine: sa.Engine, rows: Any) -> None:
    written = auditor.seed(engine, Base, {"tenants": 2, "users": 5})

    assert list(written.items()) == [("tenants", 2), ("users", 5)]
    assert rows(TENANTS) == [(1, "name-0"), (2, "name-1")]
    assert rows(USERS) == [(1, 1), (1, 3), (1, 5), (2, 2), (2, 4)]


def test_two_keys_through_one_column_agree_in_it(engine: sa.Engine, rows: Any) -> None:
    auditor.seed(engine, Base, {"members": 6, "users": 3, "teams": 4, "tenants": 2})

    assert rows(MEMBERS) == [(1, 1, 1), (1, 1, 3), (1, 3, 1), (1, 3, 3), (2, 2, 2), (2, 2, 4)]


def test_every_pair_of_an_association_comes_once(engine: sa.Engine, rows: Any) -> None:
    auditor.seed(engine, Base, {"nodes": 4, "tenants": 2, "likes": 8})

    assert rows(LIKES) == [(node, tenant) for node in (1, 2, 3, 4) for tenant in (1, 2)]


def test_parents_that_nobody_named_are_as_many_as_needed(engine: sa.Engine, rows: Any) -> None:
    assert auditor.seed(engine, Base, {"likes": 3}) == {"tenants": 1, "nodes": 3, "likes": 3}
    assert rows(LIKES) == [(1, 1), (2, 1), (3, 1)]


def test_a_key_that_is_a_parents_key_has_a_parent_of_its_own(engine: sa.Engine, rows: Any) -> None:
    assert auditor.seed(engine, Base, {"passports": 3}) == {"tenants": 3, "passports": 3}
    assert rows(PASSPORTS) == [(1,), (2,), (3,)]


def test_a_table_that_refers_to_itself_is_a_binary_tree(engine: sa.Engine, rows: Any) -> None:
    auditor.seed(engine, Base, {"nodes": 6})
    assert rows(NODES) == [(1, None), (2, 1), (3, 1), (4, 2), (5, 2), (6, 3)]


def test_a_unique_reference_to_itself_is_a_chain(engine: sa.Engine, rows: Any) -> None:
    auditor.seed(engine, Base, {"links": 3})
    assert rows(LINKS) == [(1, None), (2, 1), (3, 2)]


def test_a_cycle_is_closed_after_both_tables_are_filled(engine: sa.Engine, rows: Any) -> None:
    assert auditor.seed(engine, Base, {"cars": 3, "drivers": 2}) == {"cars": 3, "drivers": 2}
    assert (rows(CARS), rows(DRIVERS)) == ([(1, 1), (2, 2), (3, 1)], [(1, 1), (2, 2)])


def test_joined_inheritance_shares_keys_and_tells_the_classes(engine: sa.Engine, rows: Any) -> None:
    auditor.seed(engine, Base, {Engineer: 2, "managers": 1, "people": 4})

    assert rows(Base.metadata.tables["people"]) == [
        (1, "engineer"),
        (2, "engineer"),
        (3, "manager"),
        (4, "person"),
    ]
    with orm.Session(engine) as session:
        found = [type(one) for one in session.query(Person).order_by(Person.id)]
    assert found == [Engineer, Engineer, Manager, Person]


def test_each_type_has_values_that_are_read_back(engine: sa.Engine, rows: Any) -> None:
    auditor.seed(engine, Base, {"every_type": 2})

    first, second = rows(TYPES)
    assert first[3:] == (
        "text-0", "0", 1, Colour.RED, False, True, Decimal("1.00"), Decimal("0.01"), 1.0,
        dt.date(2000, 1, 1), dt.datetime(2000, 1, 1), dt.time(0, 0), None,  # noqa: DTZ001
        dt.timedelta(seconds=1), {}, b"0", 0.25, "given", 2,
    )  # fmt: skip
    assert second[3:] == (
        "text-1", "1", 2, Colour.RED, False, True, Decimal("2.00"), Decimal("0.02"), 2.0,
        dt.date(2000, 1, 2), dt.datetime(2000, 1, 1, 0, 0, 1), dt.time(0, 0, 1), None,  # noqa: DTZ001
        dt.timedelta(seconds=2), {}, b"1", 0.5, "given", 4,
    )  # fmt: skip
    assert [row[1] for row in (first, second)] == ["code-0", "code-1"]
    assert [uuid.UUID(row[2]).int & 0xFFFF for row in (first, second)] == [0, 1]


def test_checks_that_can_be_understood_hold(engine: sa.Engine, rows: Any) -> None:
    auditor.seed(engine, Base, {"checked": 3})

    assert rows(CHECKED) == [
        (1, 18, "word-0000", "new", 1, 2, Decimal("0.0001")),
        (2, 19, "word-0001", "new", 2, 3, Decimal("0.0002")),
        (3, 18, "word-0002", "new", 3, 4, Decimal("0.0003")),
    ]


def test_equal_calls_write_equal_rows(
    scratch: ScratchDatabase, engine: sa.Engine, rows: Any
) -> None:
    found = []
    for _ in range(2):
        scratch.empty()
        auditor.seed(engine, Base, {"every_type": 30, "members": 20})
        found.append([rows(one) for one in (TYPES, MEMBERS, USERS, TEAMS, TENANTS)])
    assert found[0] == found[1]


def test_generated_keys_go_on_after_the_seeded_rows(engine: sa.Engine, rows: Any) -> None:
    auditor.seed(engine, Base, {"nodes": 3})
    with engine.begin() as connection:
        connection.execute(NODES.insert().values(parent=1))
    assert rows(NODES)[-1] == (4, 1)


def test_hooks_give_columns_and_rows_and_children_follow(engine: sa.Engine, rows: Any) -> None:
    hooks = {
        "tenants": lambda row: {"id": 10 * (row + 1), "name": f"T{row}"},
        "nodes.parent": None,
        "likes.tenant": lambda row: 20,
    }
    auditor.seed(engine, Base, {"tenants": 2, "users": 2, "nodes": 2, "likes": 2}, hooks=hooks)

    assert rows(TENANTS) == [(10, "T0"), (20, "T1")]
    assert rows(USERS) == [(10, 1), (20, 2)]
    assert rows(NODES) == [(1, None), (2, None)]
    assert rows(LIKES) == [(1, 20), (2, 20)]


def test_rows_that_are_there_are_the_parents(engine: sa.Engine, rows: Any) -> None:
    with engine.begin() as connection:
        connection.execute(TENANTS.insert(), [{"id": 7, "name": "a"}, {"id": 9, "name": "b"}])
        assert auditor.seed(connection, Base, {"users": 3}) == {"users": 3}
    assert rows(USERS) == [(7, 1), (7, 3), (9, 2)]


def test_a_session_keeps_its_transaction(engine: sa.Engine, rows: Any) -> None:
    with orm.Session(engine) as session:
        auditor.seed(session, Base, {"tenants": 2})
        session.rollback()
        assert rows(TENANTS) == []
        auditor.seed(session, Base, {"tenants": 1})
        session.commit()
    assert rows(TENANTS) == [(1, "name-0")]


def test_no_rows_are_no_rows(engine: sa.Engine, rows: Any) -> None:
    assert auditor.seed(engine, Base, {"tenants": 0}) == {}
    assert rows(TENANTS) == []


def test_more_than_a_block_is_written_whole(engine: sa.Engine) -> None:
    auditor.seed(engine, Base, {"tenants": 7, "users": 20_001})
    with engine.connect() as connection:
        count = sa.select(USERS.c.tenant_id, sa.func.count()).group_by(USERS.c.tenant_id)
        found = sorted(tuple(row) for row in connection.execute(count))
    assert found == [(1, 2858), (2, 2858), *((tenant, 2857) for tenant in (3, 4, 5, 6, 7))]


def test_a_scenario_is_seeded_before_it_is_called(tmp_path: Path) -> None:
    seen = []

    @auditor.scenario(sizes={"tenants": (1, 2), "nodes": (2,)}, seed=Base)
    def shop(database: Any, tenants: int, nodes: int) -> Callable[[], None]:
        engine = sa.create_engine(database.url, poolclass=NullPool, future=True)

        def call() -> None:
            with engine.connect() as connection:
                counts = [
                    connection.execute(sa.select(sa.func.count()).select_from(one)).scalar_one()
                    for one in (TENANTS, NODES)
                ]
            seen.append((counts == [tenants, nodes], tenants))

        return call

    (result,) = auditor.profile(shop)
    assert str(result.law) == "2"
    assert {fits for fits, _ in seen} == {True}


@pytest.mark.parametrize("database", ["sqlite://", "postgresql"])
def test_an_asynchronous_session_seeds_through_run_sync(database: str) -> None:
    asynchronous = pytest.importorskip("sqlalchemy.ext.asyncio")
    if not hasattr(asynchronous, "async_sessionmaker"):
        pytest.skip("psycopg is asynchronous with SQLAlchemy 2 only")

    async def seeded(url: str) -> tuple[dict[str, int], str, list[tuple[Any, ...]]]:
        given = sa.engine.make_url(url)
        driver = {"sqlite": "sqlite+aiosqlite"}.get(given.drivername, given.drivername)
        engine = asynchronous.create_async_engine(given.set(drivername=driver), poolclass=NullPool)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with asynchronous.AsyncSession(engine) as session:
            written = await session.run_sync(auditor.seed, Base, {"users": 2, "every_type": 2})
            with pytest.raises(auditor.AuditorError) as caught:
                auditor.seed(session, Base, {"nodes": 1})
            found = [tuple(row) for row in await session.execute(sa.select(USERS))]
        return written, str(caught.value), found

    with open_scratch(database) as scratch:
        written, refused, found = asyncio.run(seeded(scratch.url))
    assert written == {"tenants": 1, "every_type": 2, "users": 2}
    assert refused == (
        "`AsyncSession` is asynchronous: give the database's URL or a plain engine, or `await"
        " session.run_sync(seed, metadata, sizes)`"
    )
    assert found == [(1, 1), (1, 2)]
