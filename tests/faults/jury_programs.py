"""Programs written before the judge was asked, by who had not seen it: each with its twin.

Accounts have meters at sites; meters have readings. `_twin` does the same work right. Declared is
the base class of all errors, as services do.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from oslo_db import api
from oslo_db import exception as db_exc
from oslo_db.sqlalchemy import enginefacade
from sqlalchemy import exc, orm
from sqlalchemy.dialects import sqlite

from auditor.backends.database import ScratchDatabase
from auditor.growth.scenario import Scenario

Base = orm.declarative_base()
MANAGER = enginefacade.transaction_context()
WRITER = MANAGER.writer


class Account(Base):  # type: ignore[valid-type,misc]
    __tablename__ = "accounts"
    id: Any = sa.Column(sa.String(36), primary_key=True)
    name: Any = sa.Column(sa.String(32), nullable=False)
    __table_args__ = (sa.UniqueConstraint("name", name="uniq_accounts0name"),)


class Site(Base):  # type: ignore[valid-type,misc]
    __tablename__ = "sites"
    id: Any = sa.Column(sa.String(36), primary_key=True)


class Meter(Base):  # type: ignore[valid-type,misc]
    __tablename__ = "meters"
    id: Any = sa.Column(sa.String(36), primary_key=True)
    account_id: Any = sa.Column(sa.ForeignKey("accounts.id"), nullable=False)
    site_id: Any = sa.Column(sa.ForeignKey("sites.id"))
    serial: Any = sa.Column(sa.String(32), nullable=False)
    total: Any = sa.Column(sa.Integer, nullable=False, default=0)
    __table_args__ = (sa.UniqueConstraint("serial", name="uniq_meters0serial"),)


class Reading(Base):  # type: ignore[valid-type,misc]
    __tablename__ = "readings"
    id: Any = sa.Column(sa.Integer, primary_key=True)
    meter_id: Any = sa.Column(sa.ForeignKey("meters.id"), nullable=False)
    hour: Any = sa.Column(sa.Integer, nullable=False)
    __table_args__ = (sa.UniqueConstraint("meter_id", "hour", name="uniq_readings0meter_id0hour"),)


class Note(Base):  # type: ignore[valid-type,misc]
    __tablename__ = "notes"
    id: Any = sa.Column(sa.Integer, primary_key=True)
    text: Any = sa.Column(sa.String(64), nullable=False)


class Refused(Exception):
    pass


class AccountNotFound(Refused):
    pass


class SiteNotFound(Refused):
    pass


class SerialInUse(Refused):
    pass


class Unavailable(Refused):
    pass


@enginefacade.transaction_context_provider
class Context:
    session: Any


def _fill(session: Any) -> None:
    session.add_all([Account(id="account-1", name="first"), Site(id="site-1")])
    session.flush()
    session.add(Meter(id="meter-1", account_id="account-1", site_id="site-1", serial="S-1"))


def _oslo(database: ScratchDatabase) -> Context:
    MANAGER.dispose_pool()
    manager = enginefacade.transaction_context()
    manager.configure(connection=database.url, sqlite_fk=True)
    MANAGER.patch_factory(manager)
    Base.metadata.create_all(MANAGER.writer.get_engine())
    return Context()


def _plain(database: ScratchDatabase) -> Any:
    engine = sa.create_engine(database.url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", lambda c, _: c.execute("PRAGMA foreign_keys=ON"))
    Base.metadata.create_all(engine)
    return orm.sessionmaker(engine)


def on_oslo(act: Callable[[Any], Any]) -> Scenario:
    """The program as a workload, on oslo.db's enginefacade."""

    def populate(context: Context) -> Callable[[], Any]:
        with WRITER.using(context) as session:
            _fill(session)
        return lambda: act(context)

    return Scenario(act.__name__, populate, (), prepare=_oslo, declared=("Refused",))


def on_sessions(act: Callable[[Any], Any]) -> Scenario:
    """The program as a workload, on plain sessions."""

    def populate(sessions: Any) -> Callable[[], Any]:
        with sessions.begin() as session:
            _fill(session)
        return lambda: act(sessions)

    return Scenario(act.__name__, populate, (), prepare=_plain, declared=("Refused",))


def _require_both(session: Any) -> None:
    if session.get(Account, "account-1") is None:
        raise AccountNotFound("account-1")
    if session.get(Site, "site-1") is None:
        raise SiteNotFound("site-1")


def _at_site() -> Meter:
    return Meter(id="meter-9", account_id="account-1", site_id="site-1", serial="S-9")


def site_told_as_account(context: Context) -> None:
    with WRITER.using(context) as session:
        _require_both(session)
    try:
        with WRITER.using(context) as session:
            session.add(_at_site())
    except db_exc.DBReferenceError as error:
        raise AccountNotFound("account-1") from error


def site_told_as_account_twin(context: Context) -> None:
    with WRITER.using(context) as session:
        _require_both(session)
    try:
        with WRITER.using(context) as session:
            session.add(_at_site())
    except db_exc.DBReferenceError as error:
        with WRITER.using(context) as session:
            _require_both(session)
        raise Unavailable("meter-9") from error


def _require_serial(session: Any) -> None:
    if session.get(Account, "account-1") is None:
        raise AccountNotFound("the account is missing")
    if session.scalar(sa.select(Meter.id).where(Meter.serial == "S-9")):
        raise SerialInUse("the serial is in use")


def any_violation_is_a_duplicate(sessions: Any) -> None:
    with sessions() as session:
        _require_serial(session)
    try:
        with sessions.begin() as session:
            session.add(Meter(id="meter-9", account_id="account-1", serial="S-9"))
    except exc.IntegrityError as error:
        raise SerialInUse("the serial is in use") from error


def any_violation_is_a_duplicate_twin(sessions: Any) -> None:
    with sessions() as session:
        _require_serial(session)
    try:
        with sessions.begin() as session:
            session.add(Meter(id="meter-9", account_id="account-1", serial="S-9"))
    except exc.IntegrityError as error:
        with sessions() as session:
            _require_serial(session)
        raise Unavailable("meter-9") from error


def one_word_for_every_key(sessions: Any) -> None:
    """Right: the one class, with the one text, stands for whatever refuses the meter."""
    with sessions() as session:
        if session.get(Account, "account-1") is None:
            raise Refused("the meter cannot be stored")
    try:
        with sessions.begin() as session:
            session.add(_at_site())
    except exc.IntegrityError as error:
        raise Refused("the meter cannot be stored") from error


def _ignoring_conflicts() -> Any:
    return sqlite.insert(Account).values(id="account-9", name="ninth").on_conflict_do_nothing()


def key_of_an_ignored_row(sessions: Any) -> str:
    with sessions.begin() as session:
        session.execute(_ignoring_conflicts())
    return "account-9"


def key_of_an_ignored_row_twin(sessions: Any) -> Any:
    with sessions.begin() as session:
        session.execute(_ignoring_conflicts())
        return session.scalar(sa.select(Account.id).where(Account.name == "ninth"))


def other_key_taken(context: Context) -> str:
    try:
        with WRITER.using(context) as session:
            session.add(_at_site())
    except db_exc.DBDuplicateEntry:
        pass  # as if it could only have been registered before
    return "meter-9"


def other_key_taken_twin(context: Context) -> str:
    try:
        with WRITER.using(context) as session:
            session.add(_at_site())
    except db_exc.DBDuplicateEntry as error:
        raise SerialInUse("S-9") from error
    return "meter-9"


def _import_reading(session: Any) -> None:
    session.execute(sa.insert(Note.__table__).values(text="import"))
    session.execute(sa.insert(Reading.__table__).values(meter_id="meter-1", hour=8))


@WRITER
def inner_failure_taken_for_undone(context: Context) -> str:
    try:
        with WRITER.using(context) as session:
            _import_reading(session)
    except db_exc.DBDuplicateEntry:
        return "imported before"
    return "imported"


@WRITER
def inner_failure_taken_for_undone_twin(context: Context) -> str:
    try:
        with WRITER.savepoint.using(context) as session:
            _import_reading(session)
    except db_exc.DBDuplicateEntry as error:
        raise Refused("imported before") from error
    return "imported"


@api.wrap_db_retry(max_retries=2, retry_on_deadlock=True)
@WRITER
def _raise_total(context: Context) -> None:
    context.session.get(Meter, "meter-1").total += 1


@api.wrap_db_retry(max_retries=2, retry_on_deadlock=True)
def retries_multiplied(context: Context) -> None:
    _raise_total(context)


def retries_multiplied_twin(context: Context) -> None:
    try:
        _raise_total(context)
    except db_exc.DBDeadlock as error:
        raise Unavailable("meter-1") from error


def dry_pool_forgotten(context: Context) -> Any:
    try:
        with WRITER.using(context) as session:
            return session.query(Meter).count()
    except db_exc.DBError as error:
        raise Unavailable("count") from error


def dry_pool_forgotten_twin(context: Context) -> Any:
    try:
        with WRITER.using(context) as session:
            return session.query(Meter).count()
    except (db_exc.DBError, exc.SQLAlchemyError) as error:
        raise Unavailable("count") from error


def exits_in_the_handler(sessions: Any) -> None:
    try:
        with sessions.begin() as session:
            session.get(Meter, "meter-1").total += 1
    except exc.OperationalError:
        os._exit(3)


def exits_in_the_handler_twin(sessions: Any) -> None:
    try:
        with sessions.begin() as session:
            session.get(Meter, "meter-1").total += 1
    except exc.OperationalError as error:
        raise Unavailable("meter-1") from error


def read_again_after_commit(sessions: Any) -> Any:
    with sessions() as session:
        meter = session.get(Meter, "meter-1")
        if meter is None:
            raise Refused("meter-1")
        session.add(Note(text="read"))
        session.commit()
        return meter.serial


def read_again_after_commit_twin(sessions: Any) -> Any:
    with sessions(expire_on_commit=False) as session:
        meter = session.get(Meter, "meter-1")
        if meter is None:
            raise Refused("meter-1")
        session.add(Note(text="read"))
        session.commit()
        return meter.serial
