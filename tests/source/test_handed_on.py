"""Queries that functions narrow and give back, and classes under generic bases."""

from __future__ import annotations

import pytest

from tests.source.laws import estimated

MODELS = """
from typing import Generic, TypeVar
import sqlalchemy as sa
from sqlalchemy import orm

Base = orm.declarative_base()
T = TypeVar("T")

class Chart(Base):
    __tablename__ = "charts"
    id = sa.Column(sa.Integer, primary_key=True)
"""


def law_of(source: str) -> str:
    """The estimated statements of `f`."""
    return estimated(MODELS, source).text


@pytest.mark.parametrize(
    "narrowing",
    [
        "return query.filter(Chart.id > 1).limit(3)",
        "if len(ids) > 1:\n        query = query.filter(Chart.id.in_(ids))\n    return query",
        "query = PLUGIN.apply(query, ids)\n    return query",
        "if not ids:\n        return query\n    return query.filter_by(id=ids[0])",
    ],
)
def test_a_query_that_a_function_narrows_and_returns_is_still_a_query(narrowing: str) -> None:
    source = (
        f"def narrowed(query, ids):\n    {narrowing}\n\n"
        "def f(session: orm.Session, ids):\n"
        "    found = narrowed(session.query(Chart), ids)\n"
        "    return found.all()\n"
    )
    assert law_of(source) == "1"


@pytest.mark.parametrize(
    ("ending", "law"),
    [
        ("return query.first()", "1"),
        ("query = query.all()\n    return query", "1"),
        ("return [query]", "0"),
    ],
)
def test_what_a_function_loads_is_no_query(ending: str, law: str) -> None:
    source = (
        f"def loaded(query):\n    {ending}\n\n"
        "def f(session: orm.Session):\n"
        "    found = loaded(session.query(Chart))\n"
        "    return found.all()\n"
    )
    assert law_of(source) == law


def test_a_query_that_keeps_its_name_through_an_unknown_function_is_still_a_query() -> None:
    source = """
        from elsewhere import plugin

        def f(session: orm.Session):
            query = session.query(Chart)
            query = plugin.narrow(query)
            return query.all()
        """
    assert law_of(source) == "1"
    assert (
        law_of(source.replace("query = plugin", "page = plugin").replace("query.all", "page.all"))
        == "0"
    )


@pytest.mark.parametrize("base", ["Repository[Chart]", "Repository", "Repository[T], Generic[T]"])
def test_methods_of_a_generic_base_are_inherited(base: str) -> None:
    source = f"""
        class Repository(Generic[T]):
            def __init__(self, session: orm.Session):
                self.session = session

            def one(self, key):
                return self.session.query(self.model).filter_by(id=key).one()

        class Charts({base}):
            model = Chart

        def f(session: orm.Session, keys):
            charts = Charts(session)
            return [charts.one(key) for key in keys]
        """
    assert law_of(source) == "|keys|"
