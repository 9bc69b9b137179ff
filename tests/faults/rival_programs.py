"""A small oslo.db program, in variants that another session can and cannot disturb."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from oslo_db import api
from oslo_db import exception as db_exc
from sqlalchemy import orm

from auditor.backends.database import ScratchDatabase
from auditor.growth.scenario import Scenario
from tests.faults.oslo_service import Service, service_on

Base = orm.declarative_base()


class Label(Base):  # type: ignore[valid-type,misc]
    __tablename__ = "labels"
    id: Any = sa.Column(sa.String(36), primary_key=True)
    name: Any = sa.Column(sa.String(40), nullable=False, unique=True)
    uses: Any = sa.Column(sa.Integer, nullable=False, default=0)
    title: Any = sa.Column(sa.String(40))


class Router(Base):  # type: ignore[valid-type,misc]
    __tablename__ = "routers"
    id: Any = sa.Column(sa.String(36), primary_key=True)


class Rule(Base):  # type: ignore[valid-type,misc]
    __tablename__ = "rules"
    id: Any = sa.Column(sa.Integer, primary_key=True)
    label_id: Any = sa.Column(sa.String(36), sa.ForeignKey("labels.id"), nullable=False)
    router_id: Any = sa.Column(sa.String(36), sa.ForeignKey("routers.id"), nullable=False)


class Counter(Base):  # type: ignore[valid-type,misc]
    __tablename__ = "counters"
    id: Any = sa.Column(sa.String(36), primary_key=True)
    version: Any = sa.Column(sa.Integer, nullable=False)
    value: Any = sa.Column(sa.Integer, nullable=False, default=0)
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's way


class LabelExists(Exception):
    """There is a label of this name."""


class LabelNotFound(Exception):
    """There is no such label."""


class RouterNotFound(Exception):
    """There is no such router."""


class LabelInUse(Exception):
    """Rules refer to the label."""


def service(database: ScratchDatabase) -> Service:
    return service_on(database, Base.metadata)


def workload(act: Callable[[Service], Any]) -> Scenario:
    """The act on one label with a rule, one without, a router and a counter."""

    def populate(own: Service) -> Callable[[], Any]:
        with own.writer as session:
            session.add_all(
                (
                    Label(id="label-0", name="used"),
                    Label(id="label-1", name="free"),
                    Router(id="router-0"),
                    Router(id="router-1"),
                    Counter(id="counter-0", version=1, value=5),
                )
            )
            session.flush()
            session.add(Rule(label_id="label-0", router_id="router-0"))
        return lambda: act(own)

    return Scenario(name=act.__name__, populate=populate, sizes=(), prepare=service)


def plain(row: Any) -> tuple[Any, ...]:
    return (row.id, row.name)


# One key, two sessions.


def checks_then_inserts(own: Service) -> str:
    with own.writer as session:
        if session.query(Label).filter_by(name="new").first() is not None:
            raise LabelExists("new")
        session.add(Label(id="label-2", name="new"))
    return "new"


def reports_the_duplicate(own: Service) -> str:
    try:
        return checks_then_inserts(own)
    except db_exc.DBDuplicateEntry as error:
        raise LabelExists("new") from error


def gets_or_creates(own: Service) -> tuple[Any, ...]:
    try:
        with own.writer as session:
            found = session.query(Label).filter_by(name="new").first()
            if found is None:
                found = Label(id="label-2", name="new")
                session.add(found)
                session.flush()
            return plain(found)
    except db_exc.DBDuplicateEntry:
        with own.reader as session:
            return plain(session.query(Label).filter_by(name="new").one())


def gets_or_creates_in_a_savepoint(own: Service) -> tuple[Any, ...]:
    with own.writer as session:
        try:
            with session.begin_nested():
                session.add(Label(id="label-2", name="new"))
        except db_exc.DBDuplicateEntry:
            pass
        return plain(session.query(Label).filter_by(name="new").one())


def swallows_the_duplicate(own: Service) -> str:
    try:
        with own.writer as session:
            session.add(Label(id="label-2", name="new", title="mine"))
    except db_exc.DBDuplicateEntry:
        pass
    return "new"


def returns_what_was_refused(own: Service) -> dict[str, str]:
    try:
        with own.writer as session:
            session.add(Label(id="label-2", name="new"))
    except db_exc.DBDuplicateEntry:
        pass
    return {"id": "label-2", "name": "new"}


def gives_up_quietly(own: Service) -> str | None:
    try:
        with own.writer as session:
            session.add(Label(id="label-2", name="new"))
    except db_exc.DBDuplicateEntry:
        return None
    return "new"


def renames(own: Service) -> None:
    with own.writer as session:
        session.query(Label).filter_by(id="label-1").update({"name": "new"})


# The row is gone.


def uses_what_is_gone(own: Service) -> str:
    with own.reader as session:
        return str(session.get(Label, "label-1").name)


def asks_whether_it_is_gone(own: Service) -> str:
    with own.reader as session:
        found = session.get(Label, "label-1")
        if found is None:
            raise LabelNotFound("label-1")
        return str(found.name)


def deletes_along(own: Service) -> None:
    with own.writer as session:
        session.query(Label).filter_by(id="label-1").delete()


def deletes_what_it_has_written(own: Service) -> None:
    with own.writer as session:
        session.execute(sa.update(Label.__table__).values(title="t"))
        session.execute(sa.delete(Label.__table__).where(Label.__table__.c.name == "free"))


def updates_what_was_read(own: Service) -> None:
    with own.writer as session:
        session.query(Label).filter_by(name="free").one().title = "t"


def reports_what_is_gone(own: Service) -> None:
    try:
        updates_what_was_read(own)
    except (orm.exc.StaleDataError, sa.exc.NoResultFound) as error:
        raise LabelNotFound("free") from error


# The row is another.


def counts_in_python(own: Service) -> None:
    with own.writer as session:
        label = session.query(Label).filter_by(name="free").one()
        label.uses = label.uses + 1


def counts_in_the_database(own: Service) -> None:
    with own.writer as session:
        session.query(Label).filter_by(name="free").update({"uses": Label.uses + 1})


def writes_blindly(own: Service) -> None:
    with own.writer as session:
        session.query(Label).filter_by(name="free").update({"title": "t"})


def counts_with_a_version(own: Service) -> None:
    with own.writer as session:
        counter = session.get(Counter, "counter-0")
        counter.value = counter.value + 1


@api.wrap_db_retry(max_retries=3, exception_checker=lambda e: isinstance(e, orm.exc.StaleDataError))
def counts_with_a_version_and_again(own: Service) -> None:
    counts_with_a_version(own)


# The row referred to is gone.


def refers(own: Service) -> None:
    with own.writer as session:
        session.add(Rule(label_id="label-1", router_id="router-1"))


def refers_to_its_own(own: Service) -> None:
    with own.writer as session:
        session.add(Label(id="label-2", name="new"))
        session.flush()
        session.add(Rule(label_id="label-2", router_id="router-1"))


def makes_and_reads_again(own: Service) -> str:
    made = str(uuid.uuid4())
    with own.writer as session:
        session.add(Label(id=made, name="new"))
    with own.reader as session:
        return str(session.query(Label.name).filter_by(id=made).scalar())


def reports_the_label(own: Service) -> None:
    """Whichever is missing."""
    with own.reader as session:
        if session.get(Label, "label-1") is None:
            raise LabelNotFound("label-1")
    try:
        refers(own)
    except db_exc.DBReferenceError as error:
        raise LabelNotFound("label-1") from error


def reports_which(own: Service) -> None:
    try:
        refers(own)
    except db_exc.DBReferenceError as error:
        with own.reader as session:
            if session.get(Label, "label-1") is None:
                raise LabelNotFound("label-1") from error
        raise RouterNotFound("router-1") from error


def deletes(own: Service) -> None:
    with own.writer as session:
        if session.query(Rule).filter_by(label_id="label-1").count():
            raise LabelInUse("label-1")
        session.query(Label).filter_by(id="label-1").delete()


def deletes_and_reports(own: Service) -> None:
    try:
        deletes(own)
    except db_exc.DBReferenceError as error:
        raise LabelInUse("label-1") from error
