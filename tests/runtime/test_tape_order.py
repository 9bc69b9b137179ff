# mypy: disable-error-code="misc, var-annotated"
# The models are written for SQLAlchemy 1.4 too, whose style has no types.
from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event, orm
from sqlalchemy.util import OrderedSet

from auditor.backends.scratch import open_scratch
from auditor.growth.load_order import settle_load_order
from auditor.growth.scenario import Scenario
from auditor.growth.workload import prepared
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


@pytest.fixture
def unsettled(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLAlchemy's own order: that of a set."""
    kept = vars(orm.Mapper)["_prop_set"]
    monkeypatch.setattr(kept, "fget", lambda mapper: frozenset(mapper._props.values()))


def many_loads() -> tuple[Any, tuple[str, ...]]:
    """A class that loads nine others, and their tables in the order of its relations."""
    base: Any = orm.declarative_base()
    names = tuple(f"part{number}" for number in range(9))
    columns = {"id": sa.Column(sa.Integer, primary_key=True)}
    relations = {}
    for name in names:
        key = sa.Column(sa.Integer, primary_key=True)
        whole = sa.Column(sa.ForeignKey("wholes.id"))
        part = type(name, (base,), {"__tablename__": name, "id": key, "whole_id": whole})
        relations[name] = orm.relationship(part, lazy="selectin")
    return type("Whole", (base,), {"__tablename__": "wholes", **columns, **relations}), names


def executed(engine: sa.engine.Engine) -> list[str]:
    """The texts that an engine executes from now on."""
    texts: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *of: texts.append(of[2]))
    return texts


def loaded(session: Any, whole: Any) -> tuple[str, ...]:
    texts = executed(session.get_bind())
    session.execute(sa.select(whole)).all()
    return tuple(text.split("FROM ")[1].split()[0] for text in texts[1:])


@pytest.mark.usefixtures("unsettled")
def test_classes_that_are_defined_later_load_in_order_too() -> None:
    settle_load_order()
    whole, names = many_loads()
    engine = sa.create_engine("sqlite://", future=True)
    whole.metadata.create_all(engine)
    with orm.Session(engine, future=True) as session:
        session.add(whole())
        session.commit()
        assert loaded(session, whole) == names
    engine.dispose()


@pytest.mark.usefixtures("unsettled")
def test_what_a_scenario_has_loaded_in_its_preparation_is_in_order_too() -> None:
    whole, names = many_loads()

    def prepare(database: Any) -> Any:
        engine = sa.create_engine(database.url, future=True)
        whole.metadata.create_all(engine)
        with orm.Session(engine, future=True) as session:
            session.add(whole())
            session.commit()
            return loaded(session, whole)

    scenario = Scenario("loads", populate=lambda _: lambda: None, sizes=(), prepare=prepare)
    with open_scratch("sqlite://") as database, prepared(database, scenario) as (workload,):
        assert workload.subject == names


def test_a_flush_with_a_cycle_stores_table_by_table_in_one_order() -> None:
    settle_load_order()
    base: Any = orm.declarative_base()
    key = sa.Column(sa.Integer, primary_key=True)
    up = sa.Column(sa.ForeignKey("a_nodes.id"))
    below = orm.relationship("Node")
    node = type("Node", (base,), {"__tablename__": "a_nodes", "id": key, "up": up, "below": below})
    tables = [f"other{number}" for number in range(9)]
    others = [
        type(name, (base,), {"__tablename__": name, "id": sa.Column(sa.Integer, primary_key=True)})
        for name in tables
    ]
    engine = sa.create_engine("sqlite://", future=True)
    base.metadata.create_all(engine)
    with orm.Session(engine, future=True) as session:
        session.add_all([node(below=[node(), node()]), *(other() for other in others)])
        texts = executed(engine)
        session.flush()
    engine.dispose()
    assert list(dict.fromkeys(text.split()[2] for text in texts)) == ["a_nodes", *tables]


def test_a_session_commits_its_databases_in_the_order_of_their_use() -> None:
    settle_load_order()
    engines = [sa.create_engine("sqlite://", future=True) for _ in range(9)]
    ended: list[sa.engine.Engine] = []
    for engine in engines:
        event.listen(engine, "commit", lambda connection: ended.append(connection.engine))
    with orm.Session(future=True) as session:
        for engine in engines:
            session.execute(sa.text("SELECT 1"), bind_arguments={"bind": engine})
        session.commit()
    assert ended == engines
