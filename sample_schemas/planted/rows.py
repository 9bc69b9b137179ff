"""What the planted programs work on: metering's tables, two of their own, and a few rows.

project-1   label-1 `one`   router-1 with port-1   router-2 whose gateway is port-2
            quota: 1 used of 10                    port-3, free
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc as sa_exc
from sqlalchemy import orm

from metering import errors, models

Base = orm.declarative_base()
PROJECT = "project-1"


class Quota(Base):
    """How much a project uses, and how much it may."""

    __tablename__ = "planted_quotas"
    __table_args__ = (sa.CheckConstraint("in_use >= 0", name="ck_in_use"),)

    project_id = sa.Column(sa.String(36), primary_key=True)
    in_use = sa.Column(sa.Integer, nullable=False)
    allowed = sa.Column(sa.Integer, nullable=False)


class Entry(Base):
    """A line in the log of what was done."""

    __tablename__ = "planted_entries"

    id = sa.Column(sa.Integer, primary_key=True)
    words = sa.Column(sa.String(80), nullable=False)


class QuotaExceeded(errors.MeteringError):
    """The project may not use more."""


class PortInUse(errors.MeteringError):
    """The port is the gateway of a router."""


class RouterNotFound(errors.MeteringError):
    """No router has the given id."""


class PortNotFound(errors.MeteringError):
    """No port has the given id."""


LABELS = models.MeteringLabel.__table__
RULES = models.MeteringLabelRule.__table__
PORTS = models.Port.__table__
QUOTAS = Quota.__table__
ENTRIES = Entry.__table__


def create_tables(engine: Any) -> None:
    """Metering's tables and those of this file."""
    models.Base.metadata.create_all(engine)
    Base.metadata.create_all(engine)


def fill(connection: Any) -> None:
    """The rows that every planted program starts from."""
    ports = [
        {"id": f"port-{n}", "project_id": PROJECT, "mac_address": f"fa:16:3e:00:00:0{n}"}
        for n in (1, 2, 3)
    ]
    routers = [
        {"id": f"router-{n}", "project_id": PROJECT, "name": f"r{n}", "gw_port_id": gateway}
        for n, gateway in ((1, None), (2, "port-2"))
    ]
    connection.execute(LABELS.insert(), [label_row("label-1", "one")])
    connection.execute(PORTS.insert(), ports)
    connection.execute(models.Router.__table__.insert(), routers)
    connection.execute(
        models.RouterPort.__table__.insert(), [{"router_id": "router-1", "port_id": "port-1"}]
    )
    connection.execute(QUOTAS.insert(), [{"project_id": PROJECT, "in_use": 1, "allowed": 10}])


def label_row(label_id: str, name: str) -> dict[str, Any]:
    """A row of a private label."""
    return {"id": label_id, "project_id": PROJECT, "name": name, "shared": False}


def new_label(name: str = "new") -> models.MeteringLabel:
    """A private label that is not stored yet."""
    return models.MeteringLabel(**label_row(f"label-{name}", name))


def insert_label(name: str) -> Any:
    """The statement that stores a label."""
    return sa.insert(LABELS).values(**label_row(f"label-{name}", name))


def insert_entry(words: str) -> Any:
    """The statement that adds a line to the log."""
    return sa.insert(ENTRIES).values(words=words)


def use_one_more() -> Any:
    """The statement that counts one more as used."""
    return (
        sa.update(QUOTAS).where(QUOTAS.c.project_id == PROJECT).values(in_use=QUOTAS.c.in_use + 1)
    )


@contextmanager
def reporting(what: str = "metering") -> Iterator[None]:
    """Says that the database could not do the work, in the words of the service."""
    try:
        yield
    except sa_exc.OperationalError as error:
        raise errors.MeteringUnavailable(what) from error
