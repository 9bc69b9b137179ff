"""A violation is aimed where a server can raise it: each claim is held to real servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from auditor.backends.scratch import open_scratch
from auditor.faults.aim.keys import read_keys
from auditor.faults.aim.plan import plan_for, shots_at
from auditor.faults.aim.shots import Executed
from auditor.faults.catalogue.fault import FaultError, fault_named, faults_named
from auditor.faults.catalogue.rows import FAULTS
from auditor.faults.strike.inject import Watch
from auditor.faults.sweep.bench import make_call

METADATA = sa.MetaData()
OWNERS = sa.Table(
    "owners", METADATA, sa.Column("id", sa.Integer, primary_key=True, autoincrement=False)
)
THINGS = sa.Table(
    "things",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(20), unique=True),
    sa.Column("place", sa.String(20)),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("owner_id", sa.Integer, sa.ForeignKey("owners.id", name="fk_owner")),
    sa.Column("maker_id", sa.Integer, sa.ForeignKey("owners.id", name="fk_maker")),
    sa.UniqueConstraint("place", "size", name="uniq_things0place0size"),
)
PARTS = sa.Table(
    "parts",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column(
        "thing_id", sa.Integer, sa.ForeignKey("things.id", ondelete="CASCADE", name="fk_thing")
    ),
)
LABELS = sa.Table(
    "labels",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("part_id", sa.Integer, sa.ForeignKey("parts.id", name="fk_part")),
)

ROW = "(2, 'n', 'p', 9, 1, NULL)"
COLUMNS = "(id, name, place, size, owner_id, maker_id)"
INSERT = "INSERT INTO things {c} VALUES {r}"
PLACES = "uniq_things0place0size"
EVERY_DUPLICATE = ("name", "place, size", "id")

# what is executed, and the keys of which it may meet a duplicate
UPSERTS: dict[str, Sequence[tuple[str, tuple[str, ...]]]] = {
    "sqlite": (
        ("INSERT INTO things {c} VALUES {r}", EVERY_DUPLICATE),
        ("INSERT OR IGNORE INTO things {c} VALUES {r}", ()),
        ("INSERT OR REPLACE INTO things {c} VALUES {r}", ()),
        ("INSERT INTO things {c} VALUES {r} ON CONFLICT DO NOTHING", ()),
        ("INSERT INTO things {c} VALUES {r} ON CONFLICT (id) DO NOTHING", ("name", "place, size")),
    ),
    "postgresql": (
        ("INSERT INTO things {c} VALUES {r}", EVERY_DUPLICATE),
        ("INSERT INTO public.things {c} VALUES {r} ON CONFLICT DO NOTHING", ()),
        (f"{INSERT} ON CONFLICT ON CONSTRAINT {PLACES} DO UPDATE SET name = 'x'", ("name", "id")),
    ),
    "mariadb": (
        ("INSERT INTO things {c} VALUES {r}", EVERY_DUPLICATE),
        ("INSERT IGNORE INTO things {c} VALUES {r}", ()),
        ("REPLACE INTO things {c} VALUES {r}", ()),
        (
            "INSERT INTO things {c} VALUES {r} ON DUPLICATE KEY UPDATE name = VALUES(name)",
            ("name",),
        ),
    ),
}


@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mariadb"], indirect=True)
def test_a_duplicate_is_aimed_at_the_keys_that_the_server_does_not_settle(database: str) -> None:
    with filled(database) as engine:
        upserts = [
            (template.format(c=COLUMNS, r=ROW), template, wanted)
            for template, wanted in UPSERTS[_kind(engine)]
        ]
        aimed = [(sql, subjects(engine, sql, "duplicate")) for sql, _, _ in upserts]
        refused = [
            (sql, key, tried(engine, template.format(c=COLUMNS, r=row)) is not None)
            for sql, template, _ in upserts
            for key, row in _colliding(sql)
        ]
    assert aimed == [(sql, wanted) for sql, _, wanted in upserts]
    assert refused == [
        (sql, key, key in wanted) for sql, _, wanted in upserts for key, _ in _colliding(sql)
    ]


# rows that meet those of `filled` in one key each
COLLIDING = (
    ("name", "(9, 'b', 'new', 1, 1, NULL)"),
    ("place, size", "(9, 'new', 'pa', 1, 1, NULL)"),
    ("id", "(1, 'new', 'new', 1, 1, NULL)"),
)


def _colliding(sql: str) -> Sequence[tuple[str, str]]:
    """Where the row that is there is updated, the name meets another row than the key does."""
    in_two = ("name", "(1, 'b', 'new', 1, 1, NULL)")
    return (in_two, *COLLIDING[1:]) if "DUPLICATE KEY" in sql else COLLIDING


@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mariadb"], indirect=True)
def test_a_missing_parent_is_aimed_at_each_foreign_key_that_is_not_null(database: str) -> None:
    insert = sa.insert(THINGS)
    with filled(database) as engine:
        both = insert.values(id=2, size=1, owner_id=1, maker_id=1)
        one = insert.values(id=2, size=1, owner_id=1, maker_id=None)
        many = [{"id": n, "size": n, "owner_id": None, "maker_id": 1} for n in (2, 3)]
        assert [
            subjects(engine, both, "reference"),
            subjects(engine, one, "reference"),
            subjects(engine, insert, "reference", many),
            subjects(engine, sa.update(THINGS).values(maker_id=1), "reference"),
            subjects(engine, sa.update(THINGS).values(size=1), "reference"),
        ] == [
            ("maker_id -> owners.id", "owner_id -> owners.id"),
            ("owner_id -> owners.id",),
            ("maker_id -> owners.id",),
            ("maker_id -> owners.id",),
            (),
        ]


@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mariadb"], indirect=True)
def test_a_delete_meets_what_refers_to_rows_that_go_with_it(database: str) -> None:
    delete = sa.delete(THINGS).where(THINGS.c.id == 1)
    with filled(database) as engine:
        assert subjects(engine, delete, "reference") == ("labels.part_id -> parts.id",)
        with engine.begin() as connection:
            connection.execute(sa.insert(PARTS).values(id=1, thing_id=1))
            connection.execute(sa.insert(LABELS).values(id=1, part_id=1))
        assert tried(engine, delete) is not None


def test_each_write_of_a_statement_has_its_own_subjects(postgresql: str) -> None:
    sql = (
        "WITH made AS (INSERT INTO owners (id) VALUES (7) RETURNING id)"
        " INSERT INTO things (id, size, owner_id) SELECT 7, 7, id FROM made"
    )
    with filled(postgresql) as engine:
        assert [subjects(engine, sql, fault) for fault in ("duplicate", "reference")] == [
            ("id", "id"),
            ("owner_id -> owners.id",),
        ]


def test_a_generated_key_is_not_pretended_to_be_taken_where_another_can_be() -> None:
    with filled("sqlite://") as engine:
        METADATA_OF_UUIDS.create_all(engine)
        value = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
        assert [
            subjects(engine, sa.insert(TAGS).values(id=value, word="w"), "duplicate"),
            subjects(engine, sa.insert(TAGS).values(id=value), "duplicate"),
            subjects(engine, sa.insert(TAGS).values(id="mine", word="w"), "duplicate"),
        ] == [("word",), ("id",), ("word", "id")]


METADATA_OF_UUIDS = sa.MetaData()
TAGS = sa.Table(
    "tags",
    METADATA_OF_UUIDS,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("word", sa.String(20), unique=True),
)


@pytest.mark.parametrize(
    ("level", "possible"),
    [
        ("READ COMMITTED", (False, False, False)),
        ("REPEATABLE READ", (False, True, True)),
        ("SERIALIZABLE", (True, True, True)),
    ],
)
def test_a_snapshot_is_lost_where_it_is_kept(
    postgresql: str, level: Any, possible: tuple[bool, ...]
) -> None:
    read = sa.select(OWNERS)
    with filled(postgresql, isolation_level=level) as engine:
        acts = (read, read.with_for_update(), sa.update(OWNERS).values(id=1))
        assert tuple(bool(shots(engine, act, "serialization")) for act in acts) == possible


@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mariadb"], indirect=True)
def test_a_read_waits_for_a_lock_only_if_it_takes_one(database: str) -> None:
    read = sa.select(OWNERS)
    acts = (read, read.with_for_update(), read.with_for_update(skip_locked=True))
    with filled(database) as engine:
        found = [bool(shots(engine, act, "lock-wait")) for act in acts]
        assert found == [False, True, False]


def test_a_table_of_another_schema_is_not_taken_for_its_namesake(postgresql: str) -> None:
    with filled(postgresql) as engine:
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE SCHEMA other"))
            connection.execute(sa.text("CREATE TABLE other.things (id int)"))
        assert subjects(engine, "INSERT INTO other.things (id) VALUES (1)", "duplicate") == ()
        assert subjects(engine, 'INSERT INTO Public."things" (id, size) VALUES (5, 5)', "duplicate")


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_what_is_deferred_is_not_pretended_to_be_violated_before_commit(database: str) -> None:
    with filled(database) as engine:
        LATE_METADATA.create_all(engine)
        with engine.begin() as connection:
            connection.execute(sa.insert(NUMBERS).values(id=7))
            if engine.dialect.name == "postgresql":  # SQLite has no deferred unique keys
                connection.execute(sa.text(LATE_KEY))
        insert = sa.insert(LATE).values(id=1, word="w", number=9)
        orphans = sa.delete(NUMBERS).where(NUMBERS.c.id == 7)
        assert [tried(engine, insert), tried(engine, orphans)] == [None, None]
        assert subjects(engine, insert, "duplicate") == ("id",)
        assert subjects(engine, insert, "reference") == ()
        assert subjects(engine, orphans, "reference") == ()
        at_once = engine.execution_options(isolation_level="AUTOCOMMIT")
        sound = sa.insert(LATE).values(id=2, word="w", number=7)
        assert subjects(at_once, sound, "reference") == ("number -> numbers.id",)


LATE_KEY = "ALTER TABLE late ADD CONSTRAINT words UNIQUE (word) DEFERRABLE INITIALLY DEFERRED"
LATE_METADATA = sa.MetaData()
NUMBERS = sa.Table("numbers", LATE_METADATA, sa.Column("id", sa.Integer, primary_key=True))
LATE = sa.Table(
    "late",
    LATE_METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("word", sa.String(20)),
    sa.Column(
        "number", sa.Integer, sa.ForeignKey("numbers.id", deferrable=True, initially="DEFERRED")
    ),
)


def test_one_subject_is_replayed_by_its_name_and_counted_at_its_statements() -> None:
    insert = sa.insert(THINGS).values(id=2, size=1, owner_id=1, maker_id=1)
    with filled("sqlite://") as engine:
        executed, keys = learnt(engine, insert)
        (fault,) = faults_named(["reference:owner_id"], FAULTS)
        plan = plan_for(fault, executed, keys)
        told = [(one.shot.target.subject, one.shot.asked) for one in plan.points]
        whole = plan_for(fault_named("reference", FAULTS), executed, keys)
        assert told == [("owner_id -> owners.id", "reference:owner_id")]
        assert [one.shot.asked for one in whole.points] == ["reference", "reference:owner_id"]
        assert [one.shot.asked for one in plan_for(fault, executed, keys, at=1).points] == [
            "reference:owner_id"
        ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "there is no fault `nothing`: known are `deadlock`, "),
        ("deadlock:id", "`deadlock:id` names something that is violated; write it after one of"),
        ("reference:", "`reference:` says nothing after the colon: write columns, as in"),
    ],
)
def test_a_wrong_name_of_a_fault_says_what_is_right(name: str, message: str) -> None:
    with pytest.raises(FaultError) as caught:
        fault_named(name, FAULTS)
    assert str(caught.value).startswith(message)


def test_several_subjects_of_a_fault_are_one_fault() -> None:
    asked = faults_named(["reference:a", "deadlock", "reference:b,  c", "reference:a"], FAULTS)
    assert [(one.name, one.subjects) for one in asked] == [
        ("reference", ("a", "b,c")),
        ("deadlock", ()),
    ]
    whole = faults_named(["reference:a", "reference"], FAULTS)
    assert [(one.name, one.subjects) for one in whole] == [("reference", ())]


def test_a_subject_that_nothing_violates_is_refused_with_those_that_are() -> None:
    insert = sa.insert(THINGS).values(id=2, size=1, owner_id=1)
    with filled("sqlite://") as engine:
        executed, keys = learnt(engine, insert)
        with pytest.raises(FaultError) as caught:
            plan_for(fault_named("reference:owner", FAULTS), executed, keys)
    assert str(caught.value) == (
        "the fault `reference:owner` cannot happen anywhere: possible are `reference:owner_id`"
    )


@contextmanager
def filled(url: str, **options: Any) -> Iterator[sa.Engine]:
    """The tables with one owner, and things that take one key each."""
    with open_scratch(url) as scratch:
        engine = sa.create_engine(scratch.url, **options)
        if engine.dialect.name == "sqlite":
            sa.event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys=1"))
        METADATA.create_all(engine)
        with engine.begin() as connection:
            connection.execute(sa.insert(OWNERS).values(id=1))
            for number, name in ((1, "a"), (4, "b")):
                place = {"place": f"p{name}", "size": 1, "owner_id": 1}
                connection.execute(sa.insert(THINGS).values(id=number, name=name, **place))
        try:
            yield engine
        finally:
            METADATA.drop_all(engine)
            engine.dispose()


def _kind(engine: sa.Engine) -> str:
    return engine.dialect.name.replace("mysql", "mariadb")


def executes(act: Any, rows: Any = None) -> Callable[[Any], None]:
    statement = sa.text(act) if isinstance(act, str) else act
    return lambda connection: connection.execute(statement, *([rows] if rows else []))


def tried(engine: sa.Engine, act: Any) -> BaseException | None:
    """The error of a statement, which is taken back."""

    def in_transaction() -> None:
        with engine.connect() as connection, connection.begin() as transaction:
            executes(act)(connection)
            transaction.rollback()

    return make_call(in_transaction)[1]


def learnt(engine: sa.Engine, act: Any, rows: Any = None) -> tuple[list[Executed], Any]:
    """What was executed, and the keys of the database."""
    watch = Watch(None, make_call.__code__, ".")
    with watch.watching(), engine.connect() as connection, connection.begin() as transaction:
        executes(act, rows)(connection)
        transaction.rollback()
    with engine.connect() as connection:
        return watch.statements, read_keys(connection)


def shots(engine: sa.Engine, act: Any, fault: str, rows: Any = None) -> Any:
    executed, keys = learnt(engine, act, rows)
    return shots_at(fault_named(fault, FAULTS), executed[0], keys, persistent=False)


def subjects(engine: sa.Engine, act: Any, fault: str, rows: Any = None) -> tuple[str, ...]:
    return tuple(shot.target.subject for shot in shots(engine, act, fault, rows))
