"""Whether an error can come to a handler: by engine, schema and what its `try` does."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.handlers.handler_sources import OSLO, PLAIN, told

ADDED = 'session.add(Shelf(name="a"))\nsession.flush()'
QUERIED = "session.query(Shelf).all()"
READ = "with enginefacade.reader.using(context) as session:\n    session.query(Shelf).all()"
KEY = "`Shelf` has the unique key (name)"
ANY = "any statement can end in it, such as `query.all()`"


def guarded(tried: str, caught: str, *, before: str = "import pymysql") -> str:
    return "\n".join((
        "def f(session: Session, context, flag, load):",
        textwrap.indent(before, "    "),
        "    try:",
        textwrap.indent(tried, "        "),
        f"    except {caught} as error:",
        "        raise Refused() from error",
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("tried", "caught", "want"),
    [
        (ADDED, "db_exc.DBDuplicateEntry", f"DBDuplicateEntry proven: `session.add()`: {KEY}"),
        (
            "with session.begin_nested():\n    session.add(Shelf(name='a'))",
            "db_exc.DBDuplicateEntry",
            f"DBDuplicateEntry proven: `session.add()`: {KEY}",
        ),
        (
            "session.execute(insert(Label).values(text='a'))",
            "db_exc.DBDuplicateEntry",
            ("DBDuplicateEntry proven: `session.execute()`: `Label` has the unique key"
            " (book_id, text)"),
        ),
        (
            f"if flag:\n{textwrap.indent(ADDED, '    ')}",
            "db_exc.DBDuplicateEntry",
            f"DBDuplicateEntry possible: if its `try` comes to `session.add()`: {KEY}",
        ),
        (
            "session.query(Shelf).update({'name': 'a'})",
            "db_exc.DBDuplicateEntry",
            f"DBDuplicateEntry possible: `query.update()`: {KEY} if it changes them",
        ),
        (
            "session.add(session.query(Shelf).first())\nsession.flush()",
            "db_exc.DBDuplicateEntry",
            f"DBDuplicateEntry possible: `session.add()`: {KEY} if it changes them",
        ),
        (
            "session.add(Note(text='a'))\nsession.flush()",
            "db_exc.DBDuplicateEntry",
            "DBDuplicateEntry possible: `Note` has a primary key only, whose values are made up",
        ),
        (
            QUERIED,
            "db_exc.DBDuplicateEntry",
            ("DBDuplicateEntry possible: its `try` only reads: what was noted before may be flushed"
            " by it"),
        ),
        (
            "session.add(Book(shelf_id=1))\nsession.flush()",
            "db_exc.DBReferenceError",
            "DBReferenceError proven: `session.add()`: `Book.shelf_id` refers to `shelves`",
        ),
        (
            "session.query(Shelf).delete()",
            "db_exc.DBReferenceError",
            ("DBReferenceError proven: `query.delete()`: `Book.shelf_id` refers to it without"
            " CASCADE"),
        ),
        (QUERIED, "db_exc.DBDeadlock", f"DBDeadlock proven: {ANY}"),
        (QUERIED, "Exception", f"Exception proven: {ANY}"),
        (
            "session.query(Shelf).one()",
            "orm_exc.NoResultFound",
            "NoResultFound proven: its `try` asks for exactly one row",
        ),
        (
            "return session.scalars(select(Shelf)).one()",
            "orm_exc.NoResultFound",
            "NoResultFound proven: its `try` asks for exactly one row",
        ),
        (
            "load(session)",
            "orm_exc.NoResultFound",
            "NoResultFound possible: its `try` calls `load()`, of which too little is known",
        ),
        (
            "yield",
            "db_exc.DBDuplicateEntry",
            "DBDuplicateEntry possible: its `try` yields to a block that may be any",
        ),
        (
            "session.query(Shelf).update({'name': 'a'})",
            "orm_exc.StaleDataError",
            "StaleDataError possible: `query.update()`: another session may have deleted the row",
        ),
        (
            "raise db_exc.DBDuplicateEntry()",
            "db_exc.DBDuplicateEntry",
            "DBDuplicateEntry proven: line 48 raises it",
        ),
        (
            "load.id",
            "orm_exc.ObjectDeletedError",
            ("ObjectDeletedError possible: the ORM raises it by itself, also where an attribute is"
            " read"),
        ),
        (
            "pymysql.connect(host='a').ping()",
            "pymysql.OperationalError",
            "OperationalError possible: its `try` calls `pymysql` itself",
        ),
    ],
)  # fmt: skip
def test_an_error_that_can_come_leaves_its_handler_untested(
    tmp_path: Path, tried: str, caught: str, want: str
) -> None:
    assert told(tmp_path, guarded(tried, caught)) == ["untested", want]


@pytest.mark.parametrize(
    ("tried", "caught", "reason"),
    [
        (
            "session.add(Shelf(name='a'))\nsession.flush()",
            "db_exc.DBReferenceError",
            "no foreign key of or to `Shelf` can refuse it",
        ),
        (
            "session.query(Book).delete()",
            "db_exc.DBReferenceError",
            "no foreign key of or to `Book` can refuse it",
        ),
        (
            "session.query(Book).delete()",
            "db_exc.DBDuplicateEntry",
            "its `try` only deletes (`Book`)",
        ),
        (
            "session.add(Shelf(name='a'))",
            "db_exc.DBDuplicateEntry",
            "`session.add()` on line 48 only notes a change, and nothing in the `try` sends it",
        ),
        (READ, "db_exc.DBDuplicateEntry", "its `try` only reads, in a transaction of its own"),
        (READ, "orm_exc.StaleDataError", "its `try` only reads, in a transaction of its own"),
        (QUERIED, "orm_exc.NoResultFound", "nothing in its `try` asks for exactly one row"),
        ("'a'.upper()", "db_exc.DBError", "nothing in its `try` comes to the database"),
        (
            ADDED,
            "sa_exc.IntegrityError",
            (
                "oslo.db turns it into `DBDuplicateEntry` or `DBReferenceError` or"
                " `DBConstraintError` or `DBError`"
            ),
        ),
        (ADDED, "pymysql.IntegrityError", "SQLAlchemy wraps the errors of drivers in its own"),
    ],
)
def test_an_error_that_never_comes_makes_its_handler_dead(
    tmp_path: Path, tried: str, caught: str, reason: str
) -> None:
    name = caught.rpartition(".")[2]
    assert told(tmp_path, guarded(tried, caught)) == ["dead", f"{name} never: {reason}"]


def test_what_was_noted_before_the_try_can_fail_in_it(tmp_path: Path) -> None:
    code = guarded(
        "session.flush()", "db_exc.DBDuplicateEntry", before="session.add(Shelf(name='a'))"
    )
    assert told(tmp_path, code) == [
        "untested", f"DBDuplicateEntry proven: `session.add()`: {KEY}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("end", "outer"),
    [
        (
            "raise Refused() from error",
            ["dead", "DBDuplicateEntry never: a handler further in takes it"],
        ),
        ("raise", ["untested", f"DBDuplicateEntry proven: `session.add()`: {KEY}"]),
    ],
)
def test_a_handler_further_in_keeps_only_what_it_does_not_raise_again(
    tmp_path: Path, end: str, outer: list[str]
) -> None:
    inner = guarded(ADDED, "db_exc.DBDuplicateEntry").replace("raise Refused() from error", end)
    code = f"{inner}\n\n\n{guarded('f(session, 1, 2, 3)', 'db_exc.DBDuplicateEntry')}"
    code = code.replace("def f(", "def g(", 1).replace("f(session, 1", "g(session, 1")
    assert told(tmp_path, code) == [
        "untested", f"DBDuplicateEntry proven: `session.add()`: {KEY}", *outer,
    ]  # fmt: skip


def test_a_handler_above_takes_it(tmp_path: Path) -> None:
    code = f"{guarded(QUERIED, 'db_exc.DBError')}\n    except db_exc.DBDeadlock:\n        raise\n"
    assert told(tmp_path, code) == [
        "untested",
        f"DBError proven: {ANY}",
        "dead",
        "DBDeadlock never: `except DBError` above takes it",
    ]


def test_a_retry_on_the_way_takes_it_first(tmp_path: Path) -> None:
    code = f"""
from oslo_db import api


@api.wrap_db_retry(retry_on_deadlock=True)
def g(session: Session):
    session.query(Shelf).all()


{guarded("g(session)", "db_exc.DBDeadlock")}
"""
    assert told(tmp_path, code) == [
        "untested",
        f"DBDeadlock proven: {ANY}, once the retry of `g` has given up",
    ]


def test_classes_kept_in_a_constant_are_looked_up(tmp_path: Path) -> None:
    code = f"FAILURES = (db_exc.DBDeadlock, ValueError)\n\n\n{guarded(QUERIED, 'FAILURES')}"
    assert told(tmp_path, code) == ["untested", f"DBDeadlock proven: {ANY}"]


def test_suppress_is_a_handler(tmp_path: Path) -> None:
    code = f"""
def f(session: Session):
    with contextlib.suppress(db_exc.DBReferenceError):
{textwrap.indent(ADDED, "        ")}
"""
    assert told(tmp_path, code) == [
        "dead",
        "DBReferenceError never: no foreign key of or to `Shelf` can refuse it",
    ]


def test_a_handler_of_everything_is_told_only_around_database_work(tmp_path: Path) -> None:
    assert told(tmp_path, guarded("'a'.upper()", "Exception")) == []


@pytest.mark.parametrize(
    ("imports", "caught", "more", "want"),
    [
        (PLAIN, "sa_exc.IntegrityError", "", ["untested", f"proven: `session.add()`: {KEY}"]),
        (
            PLAIN,
            "db_exc.DBDuplicateEntry",
            "",
            ["dead", "never: the program's engines are plain SQLAlchemy's, which never raise it"],
        ),
        (
            PLAIN,
            "db_exc.DBDuplicateEntry",
            "\n\n\ndef g():\n    raise db_exc.DBDuplicateEntry()\n",
            ["untested", f"proven: `session.add()`: {KEY}"],
        ),
        (OSLO, "db_exc.DBDuplicateEntry", "", ["untested", f"proven: `session.add()`: {KEY}"]),
    ],
)
def test_the_engine_decides_which_classes_come(
    tmp_path: Path, imports: str, caught: str, more: str, want: list[str]
) -> None:
    name = caught.rpartition(".")[2]
    verdict, reach = want
    got = told(tmp_path, guarded(ADDED, caught) + more, imports=imports)
    assert got == [verdict, f"{name} {reach}"]


@pytest.mark.parametrize(
    ("more", "want"),
    [
        ("", ["dead", "never: its `try` only deletes (`Note`)"]),
        (
            "load.name = 'a'\n",
            ["untested", "possible: `load.name` is set, which is written too"],
        ),
        (
            "load.books.append(Book())\n",
            ["untested", "possible: a `Book` is made, which is written too"],
        ),
    ],
)
def test_what_a_flush_writes_without_a_call_for_it_is_not_forgotten(
    tmp_path: Path, more: str, want: list[str]
) -> None:
    code = guarded(
        f"session.query(Note).delete()\n{more}session.commit()", "db_exc.DBDuplicateEntry"
    )
    verdict, reach = want
    assert told(tmp_path, code) == [verdict, f"DBDuplicateEntry {reach}"]
