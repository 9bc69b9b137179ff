"""Sessions, connections and queries that only their use tells of."""

from __future__ import annotations

import pytest

from tests.source.laws import estimated

MODELS = """
import elsewhere
import sqlalchemy as sa
from sqlalchemy import orm, select

Base = orm.declarative_base()

class Release(Base):
    __tablename__ = "releases"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(20))
"""


def law_of(source: str) -> str:
    """The estimated statements of `f`."""
    return estimated(MODELS, source).text


_OF_SESSIONS = (
    "request.db.query(Release).filter(Release.id == key).first()",
    "request.db.query(Release).filter_by(id=key).one()",
    "request.db.query(Release.name).all()",
    "request.db.execute(select(Release)).scalars().all()",
    "request.db.scalars(select(Release)).all()",
    "request.db.get(Release, key)",
    "request.state.store.get(Release, key)",
    'request.context["db"].scalars(select(Release)).all()',
)
_OF_OTHERS = (
    "request.cache.get(key)",
    "request.cache.get(key, None)",
    "request.seen.add(key)",
    "request.runner.execute(key)",
    "request.http.get(elsewhere.URL, key)",
    "request.frames.filter(key).all()",
    'request.client.query("SELECT 1").result()',
    "request.todo.add(elsewhere.Release(key))",
)


@pytest.mark.parametrize(
    ("asking", "law"),
    [*((one, "|keys|") for one in _OF_SESSIONS), *((one, "0") for one in _OF_OTHERS)],
)
def test_an_attribute_is_a_session_if_it_is_used_as_one(asking: str, law: str) -> None:
    source = f"""
        def f(request, keys):
            for key in keys:
                {asking}
        """
    assert law_of(source) == law


def test_another_method_of_the_class_tells_what_an_attribute_is() -> None:
    source = """
        class Releases:
            def __init__(self, store):
                self.store = store

            def keep(self, name):
                self.store.add(Release(name=name))

            def kept(self, statement):
                return self.store.execute(statement)

        def f(store, statements):
            releases = Releases(store)
            return [releases.kept(s) for s in statements]
        """
    assert law_of(source) == "|statements|"
    assert law_of(source.replace("add(Release(", "add(dict(")) == "0"


def test_a_class_of_another_package_is_what_its_use_says() -> None:
    source = """
        from elsewhere.orm import house_session

        def f(session_of_house: house_session, keys):
            for key in keys:
                session_of_house.scalars(select(Release).where(Release.id == key)).one()
        """
    assert law_of(source) == "|keys|"


def test_a_value_tells_more_than_an_annotation_that_leads_elsewhere() -> None:
    source = """
        from elsewhere.types import HouseSession

        store: HouseSession = orm.scoped_session(orm.sessionmaker())

        def f(keys):
            for key in keys:
                store.get_one(Release, key)
        """
    assert law_of(source) == "|keys|"
