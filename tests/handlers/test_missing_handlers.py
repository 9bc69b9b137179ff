"""Errors that nothing takes on their way out, and the many that something does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.handlers.handler_sources import table

CREATE = """
def create(session: Session, name):
    session.add(Shelf(name=name))
    session.flush()
"""
DELETE = """
def remove(session: Session, shelf_id):
    session.query(Shelf).delete()
"""
BELOW = """
def store(session: Session, name):
    session.execute(insert(Shelf).values(name=name))


def create(session: Session, name):
    store(session, name)
"""


def missing(folder: Path, code: str) -> list[tuple[str, str, str, list[str]]]:
    rows = table(folder, code).missing_handlers
    return [
        (row.function, row.error, row.constraint, [frame.function for frame in row.way])
        for row in rows
        if "DBA2" not in row.constraint
    ]


@pytest.mark.parametrize(
    ("code", "want"),
    [
        (CREATE, ("create", "DBDuplicateEntry", "unique key (name) of `Shelf`", ["create"])),
        (
            DELETE,
            ("remove", "DBReferenceError", "`Book.shelf_id` refers to `Shelf`", ["remove"]),
        ),
        (
            BELOW,
            ("create", "DBDuplicateEntry", "unique key (name) of `Shelf`", ["create", "store"]),
        ),
    ],
)
def test_an_error_that_nothing_takes_is_told(
    tmp_path: Path, code: str, want: tuple[str, str, str, list[str]]
) -> None:
    assert missing(tmp_path, code) == [want]


HANDLED = """
def create(session: Session, name):
    try:
        session.add(Shelf(name=name))
        session.flush()
    except db_exc.DBDuplicateEntry as error:
        raise Refused() from error
"""
FLUSHED_ELSEWHERE = """
def create(session: Session, name):
    session.add(Shelf(name=name))
    try:
        session.flush()
    except db_exc.DBDuplicateEntry as error:
        raise Refused() from error
"""
BY_THE_CALLER = f"""
{BELOW.replace("def create", "def middle")}

def outermost(session: Session, name):
    try:
        middle(session, name)
    except db_exc.DBError as error:
        raise Refused() from error
"""
RETRIED = f"""
from neutron_lib.db import api as db_api


@db_api.retry_db_errors
{CREATE.lstrip()}
"""


@pytest.mark.parametrize(
    "code",
    [
        HANDLED,
        FLUSHED_ELSEWHERE,
        BY_THE_CALLER,
        RETRIED,
        CREATE.replace("def create", "def _create"),
        CREATE.replace("Shelf(name=name)", "Note(text=name)"),
        DELETE.replace("Shelf", "Book"),
        DELETE.replace("Shelf).delete()", "Shelf).all()"),
        CREATE.replace("    session.add", "    if name:\n        session.add"),
        f"import pytest\n\n\n@pytest.fixture\n{CREATE.lstrip()}",
    ],
)
def test_an_error_that_something_takes_or_that_cannot_come_is_not_told(
    tmp_path: Path, code: str
) -> None:
    assert missing(tmp_path, code) == []


def test_a_statement_that_several_functions_come_to_is_told_once(tmp_path: Path) -> None:
    code = f"{BELOW}\n\ndef import_all(session: Session):\n    store(session, 'a')\n"
    (row,) = [r for r in table(tmp_path, code).missing_handlers if "DBA2" not in r.constraint]
    assert (row.function, row.others) == ("create", 1)
