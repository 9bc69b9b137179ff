"""DBA321: a statement reads all of a growing table, because no index serves what it compares."""

from __future__ import annotations

import textwrap
from fractions import Fraction

from auditor.model.evidence import Plan
from auditor.model.finding import Confidence, Severity
from auditor.model.law import LawResult, TableScan
from auditor.model.span import Frame, Span
from auditor.rule import Example, Hit, Hits, OnLaws, Rule
from auditor.sql.shape import brief

_NOWHERE = Frame("<unknown>", 0, "<unknown>")


def check(laws: tuple[LawResult, ...]) -> Hits:
    """Each scanned table of each statement once, with the plans of all databases that scan it."""
    places: dict[tuple[str, str, Frame], list[tuple[str, TableScan]]] = {}
    for result in laws:
        for scan in result.scans:
            frame = scan.stack[0] if scan.stack else _NOWHERE
            places.setdefault((scan.table, scan.shape, frame), []).append((result.database, scan))
    for (table, shape, frame), seen in places.items():
        first = seen[0][1]
        yield Hit(
            Span(frame.path, frame.line),
            frame.function,
            {
                "statement": brief(shape),
                "table": table,
                "columns": ", ".join(first.columns),
                "before": _rows(Fraction(first.rows[0])),
                "after": first.rows[1],
                "fetched": _rows(first.fetched[1]),
                "databases": " and ".join(dict.fromkeys(database for database, _ in seen)),
            },
            evidence=tuple(
                dict.fromkeys(Plan(database, shape, scan.plan) for database, scan in seen)
            ),
        )


def _rows(number: Fraction) -> str:
    return f"{number} row" if number == 1 else f"{number} rows"


_MODELS = """
import sqlalchemy as sa
from sqlalchemy import orm

import auditor

Base = orm.declarative_base()


class Router(Base):
    __tablename__ = "routers"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(32){name_index})


class Port(Base):
    __tablename__ = "ports"
    id = sa.Column(sa.Integer, primary_key=True)
    router_id = sa.Column(sa.ForeignKey("routers.id"){router_index})


def tables(database):
    engine = sa.create_engine(database.url)
    Base.metadata.create_all(engine)
    return engine


def fill(engine, routers):
    with orm.Session(engine) as session, session.begin():
        session.add_all(Router(id=i, name=f"r{{i}}") for i in range(routers))
        session.flush()
        session.add_all(Port(router_id=i) for i in range(routers))


"""


def _scenarios(body: str, *, router_index: str = "", name_index: str = "") -> str:
    models = _MODELS.format(router_index=router_index, name_index=name_index)
    return models.strip("\n") + "\n\n\n" + textwrap.dedent(body).strip("\n")


_PORTS_OF_ONE = """
@auditor.scenario(sizes={"routers": (1, 2, 4)}, prepare=tables)
def ports_of_a_router(engine, routers):
    fill(engine, routers)

    def call():
        with orm.Session(engine) as session:
            return session.query(Port).filter(Port.router_id == 0).all()MARK

    return call
"""
_ROUTER_BY_NAME = """
@auditor.scenario(sizes={"routers": (1, 2, 4)}, prepare=tables)
def router_by_name(engine, routers):
    fill(engine, routers)

    def call():
        with engine.connect() as connection:
            return connection.execute(sa.text("SELECT id FROM routers WHERE name = 'r0'")).all()MARK

    return call
"""
_MARK = "  # expect: DBA321"

RULE = Rule(
    code="DBA321",
    name="missing-index",
    since="0.2.0",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    message=(
        "`{statement}` reads all of `{table}` ({before} at the smaller sizes, {after} at the"
        " larger) to fetch {fetched} each time: no index on {databases} serves `{columns}`"
    ),
    why=(
        "Each execution costs more with every row of the table, while what it gives stays the same."
        " In a test with ten rows nobody sees it; with a million rows it is a scan for each call,"
        " and on a foreign key also for each delete of a parent."
    ),
    instead="add an index that begins with the compared columns: `index=True` and a migration",
    checks=(OnLaws(check),),
    bad=(
        Example("a foreign key without an index", _scenarios(_PORTS_OF_ONE.replace("MARK", _MARK))),
        Example("text that looks a name up", _scenarios(_ROUTER_BY_NAME.replace("MARK", _MARK))),
        Example(
            "a join from a row to its children",
            _scenarios(
                """
                @auditor.scenario(sizes={"routers": (1, 2, 4)}, prepare=tables)
                def ports_by_name(engine, routers):
                    fill(engine, routers)

                    def call():
                        with orm.Session(engine) as session:
                            ports = session.query(Port).join(Router, Port.router_id == Router.id)
                            return ports.filter(Router.id == 0).all()  # expect: DBA321

                    return call
                """
            ),
        ),
    ),
    good=(
        Example(
            "the foreign key has an index",
            _scenarios(_PORTS_OF_ONE.replace("MARK", ""), router_index=", index=True"),
        ),
        Example(
            "the name has an index",
            _scenarios(_ROUTER_BY_NAME.replace("MARK", ""), name_index=", unique=True"),
        ),
        Example(
            "what is fetched grows with the table",
            _scenarios(
                """
                @auditor.scenario(sizes={"routers": (1, 2, 4)}, prepare=tables)
                def all_with_a_router(engine, routers):
                    fill(engine, routers)

                    def call():
                        with orm.Session(engine) as session:
                            return session.query(Port).filter(Port.router_id >= 0).all()

                    return call
                """
            ),
        ),
        Example(
            "the table has as many rows at any size",
            _scenarios(
                """
                @auditor.scenario(sizes={"routers": (1, 2, 4)}, prepare=tables)
                def one_router(engine, routers):
                    fill(engine, 3)

                    def call():
                        with orm.Session(engine) as session:
                            for _ in range(routers):
                                session.query(Port).filter(Port.router_id == 0).all()

                    return call
                """
            ),
        ),
    ),
    known_gaps=(
        "only SELECTs are planned, and only on databases that were profiled",
        "a comparison under OR, in a subquery or inside a function is not looked at",
        "MariaDB: a table that has a possible key is not reported, even where the plan scans it",
        "a column that few values share (a status) may not be worth an index",
    ),
    sources=(
        "SQLite documentation, EXPLAIN QUERY PLAN",
        "PostgreSQL documentation, Using EXPLAIN",
        "MariaDB documentation, EXPLAIN",
    ),
)
