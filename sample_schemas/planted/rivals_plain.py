"""Plain sessions that another session comes between: what was read is not true any more."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc as sa_exc
from sqlalchemy import orm

from metering import errors, models
from planted import rows
from planted.pair import Pair
from planted.store import Store, plain, undeclared

_NEW = {"project_id": rows.PROJECT, "name": "new"}
_QUOTA = rows.QUOTAS.c.project_id == rows.PROJECT


def _named_new(session: Any) -> Any:
    return session.query(models.MeteringLabel).filter_by(**_NEW).one_or_none()


def _name_of(label: Any) -> str:
    if label is None:
        raise errors.LabelNotFound("new")
    return str(label.name)


@plain
def checked_then_inserted(store: Store) -> Any:
    with store.sessions() as session:
        if _named_new(session) is None:
            session.add(rows.new_label())
            session.commit()
        return _name_of(_named_new(session))


@plain
def checked_then_inserted_twin(store: Store) -> Any:
    with store.sessions() as session:
        if _named_new(session) is None:
            session.add(rows.new_label())
            try:
                session.commit()
            except sa_exc.IntegrityError:
                session.rollback()
        return _name_of(_named_new(session))


@plain
def read_then_written(store: Store) -> Any:
    with store.sessions.begin() as session:
        used = session.execute(sa.select(rows.QUOTAS.c.in_use).where(_QUOTA)).scalar()
        session.execute(sa.update(rows.QUOTAS).where(_QUOTA).values(in_use=used + 1))


@plain
def read_then_written_twin(store: Store) -> Any:
    with store.sessions.begin() as session:
        session.execute(sa.select(rows.QUOTAS.c.in_use).where(_QUOTA)).scalar()
        session.execute(rows.use_one_more())


def _compared_and_swapped(store: Store) -> int:
    with store.sessions.begin() as session:
        used = session.execute(sa.select(rows.QUOTAS.c.in_use).where(_QUOTA)).scalar()
        unchanged = _QUOTA & (rows.QUOTAS.c.in_use == used)
        swap = sa.update(rows.QUOTAS).where(unchanged).values(in_use=used + 1)
        return int(session.execute(swap).rowcount)


@plain
def swap_not_looked_at(store: Store) -> Any:
    _compared_and_swapped(store)


@plain
def swap_not_looked_at_twin(store: Store) -> Any:
    for _ in range(3):
        if _compared_and_swapped(store):
            return
    raise errors.MeteringUnavailable("quota")


def _attach(store: Store) -> None:
    with store.sessions.begin() as session:
        session.add(models.RouterPort(router_id="router-1", port_id="port-3"))


@undeclared
def wrong_foreign_key(store: Store) -> Any:
    try:
        _attach(store)
    except sa_exc.IntegrityError as error:
        raise rows.RouterNotFound("router-1") from error


@undeclared
def wrong_foreign_key_twin(store: Store) -> Any:
    try:
        _attach(store)
    except sa_exc.IntegrityError as error:
        with store.sessions() as session:
            if session.get(models.Router, "router-1") is None:
                raise rows.RouterNotFound("router-1") from error
        raise rows.PortNotFound("port-3") from error


@plain
def row_not_looked_at(store: Store) -> Any:
    with store.sessions() as session:
        return session.get(models.MeteringLabel, "label-1").name


@plain
def row_not_looked_at_twin(store: Store) -> Any:
    with store.sessions() as session:
        label = session.get(models.MeteringLabel, "label-1")
        if label is None:
            raise errors.LabelNotFound("label-1")
        return label.name


@plain
def checked_then_deleted(store: Store) -> Any:
    with store.sessions.begin() as session:
        used = session.query(models.Router).filter_by(gw_port_id="port-3").count()
        if used:
            raise rows.PortInUse("port-3")
        session.execute(sa.delete(rows.PORTS).where(rows.PORTS.c.id == "port-3"))


@plain
def checked_then_deleted_twin(store: Store) -> Any:
    try:
        with store.sessions.begin() as session:
            session.execute(sa.delete(rows.PORTS).where(rows.PORTS.c.id == "port-3"))
    except sa_exc.IntegrityError as error:
        raise rows.PortInUse("port-3") from error


def _rename(store: Store) -> None:
    with store.sessions.begin() as session:
        label = session.get(models.MeteringLabel, "label-1")
        if label is None:
            raise errors.LabelNotFound("label-1")
        label.name = "two"


@plain
def stale_row_unhandled(store: Store) -> Any:
    _rename(store)


@plain
def stale_row_unhandled_twin(store: Store) -> Any:
    try:
        _rename(store)
    except orm.exc.StaleDataError as error:
        raise errors.LabelNotFound("label-1") from error


PAIRS = (
    Pair(
        "looked whether it is there, and inserted",
        checked_then_inserted,
        checked_then_inserted_twin,
        "taken",
        "leaked",
        ("duplicate",),
    ),
    Pair(
        "what was read is written back",
        read_then_written,
        read_then_written_twin,
        "stale",
        "swallowed",
    ),
    Pair(
        "nobody looks whether the swap has come about",
        swap_not_looked_at,
        swap_not_looked_at_twin,
        "stale",
        "swallowed",
    ),
    Pair(
        "either foreign key is taken for the first",
        wrong_foreign_key,
        wrong_foreign_key_twin,
        "parent-vanished",
        "misreported/reported",
    ),
    Pair(
        "nobody looks whether the row is there",
        row_not_looked_at,
        row_not_looked_at_twin,
        "vanished",
        "masked",
    ),
    Pair(
        "looked whether it is in use, and deleted",
        checked_then_deleted,
        checked_then_deleted_twin,
        "child-added",
        "leaked",
    ),
    Pair(
        "the row is gone when it is written",
        stale_row_unhandled,
        stale_row_unhandled_twin,
        "vanished",
        "reported leaked",
    ),
)
