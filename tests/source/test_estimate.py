"""The statements of a function, estimated from its source."""

from __future__ import annotations

import textwrap

import pytest

from auditor.source.estimate import Estimate
from tests.source import laws

MODELS = """
import sqlalchemy as sa
from sqlalchemy import orm, select

Base = orm.declarative_base()

class Rule(Base):
    __tablename__ = "rules"
    id = sa.Column(sa.Integer, primary_key=True)
    label_id = sa.Column(sa.ForeignKey("labels.id"))

class Router(Base):
    __tablename__ = "routers"
    id = sa.Column(sa.Integer, primary_key=True)
    label_id = sa.Column(sa.ForeignKey("labels.id"))

class Label(Base):
    __tablename__ = "labels"
    id = sa.Column(sa.Integer, primary_key=True)
    rules = orm.relationship(Rule, lazy="selectin")
    routers = orm.relationship(Router)
"""


def estimated(source: str, name: str = "f") -> Estimate:
    return laws.estimated(MODELS, source, name)


@pytest.mark.parametrize(
    ("body", "want"),
    [
        ("return session.query(Router).all()", "1"),
        ("return session.query(Label).all()", "1 to 2"),
        ("for id in ids:\n    session.query(Router).filter_by(id=id).all()", "|ids|"),
        ("for id in [1, 2, 3]:\n    session.query(Router).filter_by(id=id).all()", "3"),
        ("for id in range(2):\n    session.query(Router).filter_by(id=id).all()", "2"),
        ("for id in ids:\n    if session.query(Router).first():\n        break", "at most |ids|"),
        (
            "if ids:\n    return session.query(Router).all()\nreturn session.query(Rule).all()",
            "1",
        ),
        (
            """if ids:
    session.query(Router).all()
else:
    session.query(Rule).all()
    session.query(Router).all()""",
            "1 to 2",
        ),
        ("if ids:\n    session.query(Router).all()", "at most 1"),
        ("if not ids:\n    return []\nreturn session.query(Router).all()", "1"),
        (
            "for a in ids:\n    for b in a.parts:\n        session.get(Router, b)",
            "|a.parts|*|ids|",
        ),
        ("return ids or session.query(Router).all()", "at most 1"),
        ("return [session.get(Router, i) for i in ids]", "|ids|"),
        ("session.add(Router())\nsession.flush()", "at most 1"),
        (
            """try:
    session.query(Router).all()
except ValueError:
    session.query(Rule).all()""",
            "1",
        ),
        (
            """for part in range(0, len(ids), 500):
    session.query(Router).filter(Router.id.in_(ids[part:part + 500])).all()""",
            "|ids/500|",
        ),
        ("return len(ids)", "0"),
    ],
)
def test_statements_of_a_body(body: str, want: str) -> None:
    source = "def f(session: orm.Session, ids):\n" + textwrap.indent(body, "    ")
    assert estimated(source).text == want


def test_lazy_loads_count_for_each_row_with_their_own_eager_loads() -> None:
    estimate = estimated("""
    def f(session: orm.Session):
        rules = session.query(Rule).all()
        for label in session.query(Label).all():
            for router in label.routers:
                print(label.routers, router.id)
    """)
    assert estimate.text == "2 to 3 + |Label|"


def test_a_length_of_a_called_function_is_named_by_what_is_passed() -> None:
    estimate = estimated("""
    def f(session: orm.Session, wanted):
        return g(session, wanted)

    def g(session, ids):
        kept = []
        for id in ids:
            kept.append(session.get(Router, id))
        for one in kept:
            session.get(Rule, one.id)
    """)
    assert estimate.text == "|g.kept| + |wanted|"
    ways = [
        [(p.line - MODELS.count("\n"), p.what) for p in part.way] for part in estimate.cost.parts
    ]
    assert ways == [[(3, "g()"), (8, "session.get()")], [(3, "g()"), (10, "session.get()")]]


def test_recursion_and_unknown_calls_are_said() -> None:
    estimate = estimated("""
    def f(session: orm.Session, id):
        session.get(Router, id)
        plugin.refresh(session)
        run(h)
        f(session, id + 1)

    def h(session: orm.Session):
        return session.query(Router).all()
    """)
    first = MODELS.count("\n") + 2
    assert estimate.text == "1"
    assert estimate.cost.notes == (
        "`f` calls itself: the inner calls are not counted",
        f"`plugin.refresh()` at app.py:{first + 2} is given a session or context and is not known",
        f"`h()` is handed on at app.py:{first + 3}: its statements are not counted",
    )


def test_an_option_that_loads_by_a_statement_counts_and_stops_the_lazy_load() -> None:
    estimate = estimated("""
    def f(session: orm.Session):
        query = session.query(Label).options(orm.selectinload(Label.routers))
        return [label.routers for label in query.all()]
    """)
    assert estimate.text == "1 to 3"


def test_a_deep_nest_of_functions_ends() -> None:
    chain = "".join(
        f"def f{n}(session, ids):\n    for i in ids:\n        f{n + 1}(session, ids)\n"
        for n in range(60)
    )
    estimate = estimated(
        f"{chain}def f60(session: orm.Session, ids):\n    session.get(Rule, 1)\n", "f0"
    )
    assert estimate.cost.notes == ("calls deeper than 30 are not followed",)
