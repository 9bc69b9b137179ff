"""Programs that try again, for the sweeps of the tests beside this file: each that does something
twice has a twin that does not."""

from __future__ import annotations

import functools
import smtplib
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import sqlalchemy as sa
from oslo_db import api
from oslo_db import exception as db_exc
from oslo_db.sqlalchemy import enginefacade
from sqlalchemy import orm

from auditor.backends.database import ScratchDatabase
from auditor.growth.scenario import Scenario

Base = orm.declarative_base()
OUTBOX = Path("outbox.txt")


class Item(Base):  # type: ignore[valid-type,misc]
    __tablename__ = "items"
    id: Any = sa.Column(sa.String(36), primary_key=True)
    note: Any = sa.Column(sa.String(100))


@enginefacade.transaction_context_provider
class Context:
    session: Any


@dataclass(frozen=True, slots=True)
class Store:
    """A program with one table."""

    manager: Any
    context: Any

    @property
    def writer(self) -> Any:
        return self.manager.writer.using(self.context)


def store(database: ScratchDatabase) -> Store:
    manager = enginefacade.transaction_context()
    manager.configure(connection=database.url, sqlite_fk=True)
    Base.metadata.create_all(manager.writer.get_engine())
    return Store(manager, Context())


def workload(act: Callable[[Store], Any]) -> Scenario:
    def populate(own: Store, rows: int) -> Callable[[], Any]:
        return lambda: act(own)

    return Scenario(name=act.__name__, populate=populate, sizes=(("rows", (1,)),), prepare=store)


def insert(own: Store, *names: str) -> None:
    with own.writer as session:
        for name in names:
            session.execute(sa.insert(Item.__table__).values(id=name, note=name))


def tell(text: str) -> None:
    subprocess.run(["true", text], check=True)


retried = api.wrap_db_retry(max_retries=3, retry_on_deadlock=True)


def of_ones_own(function: Callable[..., Any]) -> Callable[..., Any]:
    """A retry decorator as programs write them."""

    @functools.wraps(function)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        for _ in range(3):
            try:
                return function(*arguments, **named)
            except db_exc.DBDeadlock:
                continue
        raise RuntimeError("tried three times")

    return wrapper


# What is done outside the database.


@retried
def tells_in_the_try(own: Store) -> None:
    with own.writer as session:
        session.execute(sa.insert(Item.__table__).values(id="a"))
        tell("a")
        session.execute(sa.insert(Item.__table__).values(id="b"))


def tells_after_it(own: Store) -> None:
    retried(insert)(own, "a", "b")
    tell("ab")


def tells_of_the_failure(own: Store) -> None:
    for _ in range(3):
        try:
            return insert(own, "a")
        except db_exc.DBDeadlock:
            tell("a deadlock")
    return None


@retried
def writes_a_file_in_the_try(own: Store) -> None:
    with own.writer as session:
        with OUTBOX.open("a") as outbox:
            outbox.write("a\n")
        session.execute(sa.insert(Item.__table__).values(id="a"))


@retried
def reads_a_file_in_the_try(own: Store) -> None:
    with own.writer as session, Path(__file__).open() as source:
        session.execute(sa.insert(Item.__table__).values(id=source.readline()[:9]))


@retried
def keeps_a_temporary_file_in_the_try(own: Store) -> None:
    with own.writer as session, tempfile.NamedTemporaryFile() as file:
        file.write(b"a")
        session.execute(sa.insert(Item.__table__).values(id="a"))


@retried
def locks_a_file_in_the_try(own: Store) -> None:
    from oslo_concurrency import lockutils  # lazy: not installed everywhere

    with lockutils.external_lock("a", lock_path=str(OUTBOX.parent)), own.writer as session:
        session.execute(sa.insert(Item.__table__).values(id="a"))


def tells_a_mock_in_the_try(own: Store) -> None:
    service = mock.Mock()

    @retried
    def create() -> None:
        service.notifier.info("created")
        service.logger.info("created")
        insert(own, "a")

    create()


def mails_through_a_patch_in_the_try(own: Store) -> None:
    @retried
    def create() -> None:
        smtplib.SMTP().sendmail("from", "to", "created")
        insert(own, "a")

    with mock.patch("smtplib.SMTP"):
        create()


def tells_and_fails(own: Store) -> None:
    tell("a")
    insert(own, "a")


def tells_of_each_and_goes_on(own: Store) -> None:
    for name in ("a", "b"):
        tell(name)
        try:
            insert(own, name)
        except db_exc.DBDeadlock:
            continue


# What a try is given.


@dataclass(frozen=True, slots=True)
class Request:
    name: str
    seen: list[str] = field(default_factory=list)


@retried
def appends(own: Store, seen: list[str]) -> None:
    seen.append("a")
    insert(own, "a")


@retried
def marks(own: Store, request: Request) -> None:
    request.seen.append(request.name)
    insert(own, request.name)


@of_ones_own
def renames(own: Store, body: dict[str, Any]) -> None:
    body["name"] = body["name"].strip()
    insert(own, body["name"])


@retried
def fills_in(own: Store, body: dict[str, Any]) -> None:
    body.setdefault("note", "none")
    insert(own, body["name"])


@retried
def copies(own: Store, body: dict[str, Any], seen: list[str]) -> None:
    body, seen = dict(body), [*seen, "a"]
    body.pop("links", None)
    insert(own, body["name"])


@retried
def counts_up(own: Store, body: dict[str, Any]) -> None:
    body.setdefault("tries", []).append(1)
    insert(own, body["name"])


class Service:
    def __init__(self) -> None:
        self.done: list[str] = []

    @retried
    def create(self, own: Store) -> None:
        self.done.append("a")
        insert(own, "a")


# What is tried again, and how often.


@api.wrap_db_retry(max_retries=2, retry_on_deadlock=True)
def outer(own: Store) -> None:
    inner(own)


@api.wrap_db_retry(max_retries=10, retry_on_deadlock=True)
def inner(own: Store) -> None:
    insert(own, "a")


@of_ones_own
def by_own_decorator(own: Store) -> None:
    insert(own, "a")


def by_hand(own: Store) -> None:
    for _ in range(3):
        try:
            return insert(own, "a")
        except db_exc.DBDeadlock:
            continue
    raise RuntimeError("tried three times")


def each_once(own: Store) -> None:
    for name in ("a", "b"):
        insert(own, name)


@retried
def with_other_values(own: Store, tries: list[int]) -> None:
    tries.append(1)
    insert(own, f"a{len(tries)}")
