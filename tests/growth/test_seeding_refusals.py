"""What seeding cannot do, and what it says then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

import auditor
from auditor.backends.scratch import open_scratch
from auditor.cli.main import run
from auditor.growth.seeding.connection import plain_engine
from auditor.model.errors import SeedError

METADATA = sa.MetaData()


def table(name: str, *parts: Any) -> sa.Table:
    key = sa.Column("id", sa.Integer, primary_key=True)
    return sa.Table(name, METADATA, key, *parts)


class Point(sa.types.UserDefinedType):  # type: ignore[type-arg]
    """A type of a database that nobody has heard of."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "POINT"


class Secret(sa.types.TypeDecorator):  # type: ignore[type-arg]
    """Takes nothing that can be guessed."""

    impl = sa.String(20)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str:
        raise ValueError(value)


table("users", sa.Column("name", sa.String(20)))
table("flags", sa.Column("flag", sa.Boolean, nullable=False, unique=True))
table("profiles", sa.Column("user_id", sa.ForeignKey("users.id"), nullable=False, unique=True))
table("odd", sa.Column("number", sa.Integer, sa.CheckConstraint("number % 7 = 5", name="sevenths")))
table("points", sa.Column("place", Point, nullable=False))
table("secrets", sa.Column("word", Secret, nullable=False))
table("eggs", sa.Column("hen", sa.ForeignKey("hens.id"), nullable=False))
table("hens", sa.Column("egg", sa.ForeignKey("eggs.id"), nullable=False))
table("letters", sa.Column("letter", sa.String(1), nullable=False, unique=True))


@pytest.fixture
def engine() -> Iterator[sa.Engine]:
    engine = sa.create_engine("sqlite://", poolclass=StaticPool, future=True)
    with engine.begin() as connection:
        for one in METADATA.tables.values():
            connection.execute(sa.schema.CreateTable(one))
    yield engine
    engine.dispose()


@pytest.fixture
def refusal(engine: sa.Engine) -> Callable[..., str]:
    def of(sizes: Any, **options: Any) -> str:
        with pytest.raises(SeedError) as caught:
            auditor.seed(engine, METADATA, sizes, **options)
        return str(caught.value)

    return of


SIZES = [
    ({"user": 1}, "there is no table `user` in the metadata; did you mean `users`"),
    (
        {"qqq": 1},
        (
            "there is no table `qqq` in the metadata; it has `eggs`, `flags`, `hens`, `letters`,"
            " `odd`, and 4 more"
        ),
    ),
    ({"users": -1}, "`users=-1`: give a whole number of rows, 0 or more"),
    ({"users": True}, "`users=True`: give a whole number of rows, 0 or more"),
    ({"users": 1.5}, "`users=1.5`: give a whole number of rows, 0 or more"),
    (
        {"flags": 5},
        (
            "`flags` cannot have 5 rows: `flag` is unique (unique (flag)), and at most 2 different"
            " rows are possible; ask for at most 2, or give the values with"
            ' hooks={"flags.flag": lambda i: ...}'
        ),
    ),
    (
        {"letters": 37},
        (
            "`letters` cannot have 37 rows: `letter` is unique (unique (letter)), and at most 36"
            " different rows are possible; ask for at most 36, or give the values with"
            ' hooks={"letters.letter": lambda i: ...}'
        ),
    ),
    (
        {"profiles": 3, "users": 2},
        (
            "`profiles` cannot have 3 rows: `user_id` is unique (unique (user_id)), and at most 2"
            " different rows are possible; ask for at most 2, or for more rows of `users`"
        ),
    ),
    (
        {"profiles": 3, "users": 0},
        (
            "`profiles` needs a row of `users` (foreign key `user_id`), and 0 rows were asked for"
            " it; ask for at least 1, or do not name it: what is needed is filled"
        ),
    ),
    (
        {"odd": 1},
        (
            "the database refused rows of `odd`: IntegrityError: CHECK constraint failed: sevenths;"
            " the metadata does not explain this: give the values with"
            ' hooks={"odd.number": lambda i: ...}'
        ),
    ),
    (
        {"points": 1},
        (
            "`points.place` has the type `Point()`, whose values are not known; give them with"
            ' hooks={"points.place": lambda i: ...}'
        ),
    ),
    (
        {"secrets": 1},
        (
            "`secrets.word` has the type `Secret(length=20)`, whose values are not known; give them"
            ' with hooks={"secrets.word": lambda i: ...}'
        ),
    ),
    (
        {"eggs": 1},
        (
            "the tables behind `eggs.hen` and `hens.egg` need each other's rows first: these"
            " foreign keys may not be NULL, and are not DEFERRABLE; make one nullable, or give its"
            " values with `hooks`"
        ),
    ),
]
HOOKS = [
    (
        {"users.nam": 1},
        "`users` has no column `nam` to hook; it has `id`, `name`",
    ),
    ({"user.name": 1}, "there is no table `user` in the metadata; did you mean `users`"),
    (
        {"users": lambda row: row},
        "hooks[`users`] gives `0`: a hook of a table gives a mapping of column names to values",
    ),
]


@pytest.mark.parametrize(("sizes", "message"), SIZES, ids=lambda one: str(one)[:30])
def test_sizes_that_cannot_be_are_refused_with_what_to_do(
    sizes: Any, message: str, refusal: Callable[..., str]
) -> None:
    assert refusal(sizes) == message


@pytest.mark.parametrize(("hooks", "message"), HOOKS, ids=lambda one: str(one)[:30])
def test_hooks_that_fit_nothing_are_refused(
    hooks: Any, message: str, refusal: Callable[..., str]
) -> None:
    assert refusal({"users": 1}, hooks=hooks) == message


@pytest.mark.parametrize("size", [1, 2])
def test_what_is_just_possible_is_done(size: int, engine: sa.Engine) -> None:
    assert auditor.seed(engine, METADATA, {"flags": size}) == {"flags": size}


def test_a_hook_satisfies_what_metadata_cannot_say(engine: sa.Engine) -> None:
    auditor.seed(engine, METADATA, {"odd": 2}, hooks={"odd.number": lambda row: 5 + 7 * row})
    with engine.connect() as connection:
        query = sa.select(METADATA.tables["odd"])
        found = [tuple(row) for row in connection.execute(query)]
    assert found == [(1, 5), (2, 12)]


def test_a_table_that_holds_rows_is_not_filled_again(
    engine: sa.Engine, refusal: Callable[..., str]
) -> None:
    auditor.seed(engine, METADATA, {"users": 2})
    assert refusal({"users": 3}) == (
        "`users` holds 2 rows already: seeding fills empty tables, and numbers their rows from 0;"
        " empty it, or do not name it to use its rows"
    )


def test_a_refused_seeding_leaves_nothing(engine: sa.Engine, refusal: Callable[..., str]) -> None:
    refusal({"users": 2, "odd": 2})
    with engine.connect() as connection:
        count = sa.select(sa.func.count()).select_from(METADATA.tables["users"])
        assert connection.execute(count).scalar_one() == 0


def test_tables_that_are_not_created_are_named() -> None:
    with open_scratch() as scratch, pytest.raises(SeedError) as caught:
        auditor.seed(scratch.url, METADATA, {"users": 1})
    assert str(caught.value) == (
        "`users` cannot be read: no such table: users; create the tables first, such as with"
        " `metadata.create_all(engine)`"
    )


@pytest.mark.parametrize(
    ("database", "metadata", "message"),
    [
        (
            "sqlite://",
            7,
            "`7` is no metadata: give a `MetaData` or a declarative base, such as `Base.metadata`",
        ),
        (
            7,
            METADATA,
            "`7` is no database: give an engine, a connection, a session or a URL",
        ),
    ],
)
def test_what_is_no_database_or_no_metadata_is_refused(
    database: Any, metadata: Any, message: str
) -> None:
    with pytest.raises(SeedError) as caught:
        auditor.seed(database, metadata, {"users": 1})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite+aiosqlite:///x.db", "pysqlite"),
        ("postgresql+asyncpg://u@h/d", "psycopg"),
        ("postgresql+psycopg2://u@h/d", "psycopg2"),
    ],
)
def test_an_asynchronous_url_is_seeded_by_a_plain_driver(url: str, driver: str) -> None:
    if driver == "psycopg":
        pytest.importorskip("sqlalchemy.dialects.postgresql.psycopg", reason="SQLAlchemy 2 only")
    assert plain_engine(url).dialect.driver == driver


def test_a_scenario_whose_sizes_are_no_tables_ends_the_command_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "seeded_wrongly.py"
    program.write_text(
        "import auditor, sqlalchemy as sa\n"
        "M = sa.MetaData()\n"
        "sa.Table('shelves', M, sa.Column('id', sa.Integer, primary_key=True))\n"
        "@auditor.scenario(sizes={'shelvs': (1, 2)}, seed=M)\n"
        "def library(database, shelvs):\n"
        "    return lambda: None\n"
    )
    status = run(["profile", str(program)])
    assert (status, capsys.readouterr().err) == (
        2,
        (
            "auditor: scenario `library` cannot be seeded: there is no table `shelvs` in the"
            " metadata; did you mean `shelves`\n"
        ),
    )


class Moment(sa.types.TypeDecorator):  # type: ignore[type-arg]
    """Seconds, given as a time."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else int(value.timestamp())


def raising(_: int) -> None:
    raise KeyError("x")


@pytest.fixture
def moments() -> Iterator[Callable[..., str]]:
    """Seeds a table whose default its own type refuses, and gives the rows or what was said."""
    metadata = sa.MetaData()
    key = sa.Column("id", sa.Integer, primary_key=True)
    at = sa.Column("at", Moment, default=0, nullable=False)
    sa.Table("moments", metadata, key, at)
    engine = sa.create_engine("sqlite://", poolclass=StaticPool, future=True)
    metadata.create_all(engine)

    def seeded(**hooks: Any) -> str:
        named = {name.replace("_", "."): hook for name, hook in hooks.items()}
        try:
            return str(auditor.seed(engine, metadata, {"moments": 2}, hooks=named))
        except SeedError as error:
            return str(error)

    yield seeded
    engine.dispose()


def test_a_default_that_its_own_type_refuses_is_made_up(moments: Callable[..., str]) -> None:
    assert moments() == "{'moments': 2}"


@pytest.mark.parametrize(
    ("hooks", "message"),
    [
        ({"moments_at": raising}, "the hook of `moments.at` failed for row 0: KeyError: 'x'"),
        ({"moments": raising}, "the hook of `moments` failed for row 0: KeyError: 'x'"),
        ({"moments_at": 3}, "the hook of `moments.at` gives what its type `Moment()` does not"),
    ],
)
def test_a_hook_that_fails_or_gives_another_type_is_named(
    hooks: dict[str, Any], message: str, moments: Callable[..., str]
) -> None:
    assert moments(**hooks).startswith(message)


@pytest.mark.parametrize("default", [lambda: 1, sa.text("7")])
def test_a_column_with_a_default_of_both_kinds_is_left_to_the_server(default: Any) -> None:
    metadata = sa.MetaData()
    key = sa.Column("id", sa.Integer, primary_key=True)
    both = sa.Column("a", sa.Integer, default=default, server_default="5", nullable=False)
    filled = sa.Table("filled", metadata, key, both)
    engine = sa.create_engine("sqlite://", poolclass=StaticPool, future=True)
    metadata.create_all(engine)
    auditor.seed(engine, metadata, {"filled": 2})
    with engine.connect() as connection:
        assert list(connection.execute(sa.select(filled.c.a)).scalars()) == [5, 5]
    engine.dispose()
