"""Sessions, connections and queries that only their use tells of."""

from __future__ import annotations

import textwrap

import pytest

from auditor.engine.knowing import knowledge_with
from auditor.source.estimate import estimate_of
from auditor.source.parse import parse_module
from auditor.source.project import link

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
    text = MODELS + textwrap.dedent(source)
    module = parse_module("app.py", "app", text.encode(), is_package=False)
    project = link([module], knowledge_with(())[0])
    return estimate_of(project, project.program.functions["app.f"].function).text


@pytest.mark.parametrize(
    "asking",
    [
        "request.db.query(Release).filter(Release.id == key).first()",
        "request.db.query(Release).filter_by(id=key).one()",
        "request.db.query(Release.name).all()",
        "request.db.execute(select(Release)).scalars().all()",
        "request.db.scalars(select(Release)).all()",
        "request.db.get(Release, key)",
        "request.state.store.get(Release, key)",
        'request.context["db"].scalars(select(Release)).all()',
    ],
)
def test_an_attribute_used_as_a_session_is_one(asking: str) -> None:
    source = f"""
        def f(request, keys):
            for key in keys:
                {asking}
        """
    assert law_of(source) == "|keys|"


@pytest.mark.parametrize(
    "asking",
    [
        "request.cache.get(key)",
        "request.cache.get(key, None)",
        "request.seen.add(key)",
        "request.runner.execute(key)",
        "request.http.get(elsewhere.URL, key)",
        "request.frames.filter(key).all()",
        'request.client.query("SELECT 1").result()',
        "request.todo.add(elsewhere.Release(key))",
    ],
)
def test_an_attribute_used_like_other_things_is_no_session(asking: str) -> None:
    source = f"""
        def f(request, keys):
            for key in keys:
                {asking}
        """
    assert law_of(source) == "0"


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
