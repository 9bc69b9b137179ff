# mypy: disable-error-code="misc, var-annotated"
# The models are written for SQLAlchemy 1.4 too, whose style has no types.
from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.util import OrderedSet

from auditor.growth.load_order import settle_load_order
from auditor.runtime.recorder import record

Base: Any = orm.declarative_base()
KINDS = ("ports", "routes", "labels")


class Router(Base):
    __tablename__ = "routers"
    id = sa.Column(sa.Integer, primary_key=True)
    ports = orm.relationship("Port", lazy="selectin")
    routes = orm.relationship("Route", lazy="selectin")
    labels = orm.relationship("Label", lazy="selectin")


class Port(Base):
    __tablename__ = "ports"
    id = sa.Column(sa.Integer, primary_key=True)
    router_id = sa.Column(sa.ForeignKey("routers.id"))


class Route(Base):
    __tablename__ = "routes"
    id = sa.Column(sa.Integer, primary_key=True)
    router_id = sa.Column(sa.ForeignKey("routers.id"))


class Label(Base):
    __tablename__ = "labels"
    id = sa.Column(sa.Integer, primary_key=True)
    router_id = sa.Column(sa.ForeignKey("routers.id"))


def loads(order: tuple[str, ...] = ()) -> tuple[list[str], list[str]]:
    """The relations as they were loaded, in the given order if any, and as the tape tells them."""
    engine = sa.create_engine("sqlite://", future=True)
    Base.metadata.create_all(engine)
    seen: list[str] = []

    def hook(_: Any, statement: str, *__: Any) -> None:
        seen.append(next((kind for kind in KINDS if f"FROM {kind}" in statement), "routers"))

    with orm.Session(engine, future=True) as session:
        session.add(Router())
        session.commit()
        if order:
            rest = [one for one in sa.inspect(Router).attrs if one.key not in order]
            wanted = [sa.inspect(Router).attrs[name] for name in order]
            vars(sa.inspect(Router))["_prop_set"] = OrderedSet([*rest, *wanted])
        with record(engine, on_statement=hook) as recording:
            session.execute(sa.select(Router)).all()
    engine.dispose()
    return seen[1:], [entry.cause.relation for entry in recording.tape.entries][1:]


@pytest.mark.parametrize("order", [KINDS, KINDS[::-1]])
def test_sibling_eager_loads_stand_by_name_in_whatever_order_they_ran(
    order: tuple[str, ...],
) -> None:
    ran, told = loads(order)
    assert ran == list(order)
    assert told == ["Router.labels", "Router.ports", "Router.routes"]


def test_a_scenario_loads_in_the_order_of_definition() -> None:
    loads(KINDS[::-1])
    settle_load_order()
    assert loads()[0] == list(KINDS)
