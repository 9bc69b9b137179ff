from __future__ import annotations

import textwrap

from auditor import knowledge
from auditor.model.knowledge import Effect, Mode, merged
from auditor.source.parse import parse_module
from auditor.source.project import Project, link

KNOWN = merged(knowledge.TABLES)
HEAD = """
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from models import Router
"""


def project_of(source: str, **others: str) -> Project:
    modules = [parse_module("app.py", "app", (HEAD + textwrap.dedent(source)).encode())]
    for name, text in others.items():
        modules.append(parse_module(f"{name}.py", name, textwrap.dedent(text).encode()))
    return link(modules, KNOWN)


def does(project: Project, name: str) -> dict[str, bool]:
    """What a function does, by effect, and whether it certainly does."""
    key = project.program.functions[name].key
    return {e.value: o.certain for e, o in project.effects.summaries[key].items()}


def way(project: Project, name: str, effect: Effect | Mode) -> list[str]:
    """The steps from a function to where it has an effect."""
    origin = project.effects.summaries[project.program.functions[name].key][effect]
    return [
        f"{project.program.scopes[step.scope].function.name}:{step.at.line} {step.what}"
        for step in project.effects.way(origin.site, effect)
    ]


def test_an_effect_comes_through_calls_of_other_modules_with_its_way() -> None:
    project = project_of(
        """
        import store
        def run(session):
            return store.load(session)
        """,
        store="""
        def load(session):
            return inner(session)
        def inner(session):
            return session.query(int).all()
        """,
    )
    assert does(project, "app.run") == {"read": True}
    assert way(project, "app.run", Effect.READ) == [
        "run:8 load",
        "load:3 inner",
        "inner:5 query.all()",
    ]


def test_both_branches_of_an_if_make_an_effect_certain_and_one_does_not() -> None:
    project = project_of(
        """
        def both(session: Session, some):
            if some:
                return session.get(Router, 1)
            else:
                return session.query(Router).first()
        def one(session: Session, some):
            if some:
                return session.get(Router, 1)
        """
    )
    assert does(project, "app.both") == {"read": True}
    assert does(project, "app.one") == {"read": False}


def test_a_kept_answer_makes_an_effect_uncertain_and_an_empty_guard_does_not() -> None:
    project = project_of(
        """
        import functools
        def kept(session: Session, known, key):
            if key in known:
                return known[key]
            return session.get(Router, key)
        def guarded(session: Session, ids):
            if not ids:
                return []
            return session.query(Router).all()
        def either(session: Session, row):
            return row or session.get(Router, 1)
        @functools.lru_cache
        def cached(session: Session):
            return session.query(Router).all()
        def uses(session: Session):
            return cached(session)
        """
    )
    assert does(project, "app.kept") == {"read": False}
    assert does(project, "app.guarded") == {"read": True}
    assert does(project, "app.either") == {"read": False}
    assert does(project, "app.uses") == {"read": False}


def test_iterating_a_query_reads_and_making_one_does_not() -> None:
    project = project_of(
        """
        def made(session: Session):
            return session.query(Router).filter_by(id=1)
        def looped(session: Session):
            for row in session.query(Router):
                print(row)
        def listed(session: Session):
            return list(made(session))
        """
    )
    assert does(project, "app.made") == {}
    assert does(project, "app.looped") == {"read": True}
    assert does(project, "app.listed") == {"read": True}


def test_a_statement_is_read_or_written_by_how_it_was_built() -> None:
    project = project_of(
        """
        def reads(session: Session):
            return session.execute(select(Router).where(Router.id == 1))
        def writes(session: Session):
            statement = delete(Router)
            statement = statement.where(Router.id == 1)
            session.execute(statement)
        def unknown(session: Session, statement):
            session.execute(statement)
        """
    )
    assert does(project, "app.reads") == {"read": True}
    assert does(project, "app.writes") == {"write": True}
    assert does(project, "app.unknown") == {"statement": True}


def test_what_waits_in_a_lambda_or_inner_function_is_not_done() -> None:
    project = project_of(
        """
        def run(session: Session):
            later = lambda: session.query(Router).all()
            def inner():
                return session.query(Router).all()
            return later, inner
        """
    )
    assert does(project, "app.run") == {}


def test_contexts_are_effects_and_recursion_ends() -> None:
    project = project_of(
        """
        from oslo_db.sqlalchemy import enginefacade
        def run(context, depth):
            with enginefacade.writer.using(context) as session:
                session.add(Router())
                return again(context, depth)
        def again(context, depth):
            return run(context, depth - 1)
        """
    )
    assert does(project, "app.again") == {"pending": True, "writer": True}


def test_things_only_named_like_a_session_do_nothing_unless_used_like_one() -> None:
    project = project_of(
        """
        import requests
        def fetch(url):
            session = requests.Session()
            return session.get(url)
        def head(session, url):
            return session.get(url, timeout=3)
        def load(session, key):
            return session.get(Router, key)
        """
    )
    assert does(project, "app.fetch") == {"message": True}
    assert does(project, "app.head") == {}
    assert does(project, "app.load") == {"read": True}


def test_reading_a_property_runs_it_and_a_cached_one_may_not() -> None:
    project = project_of(
        """
        import functools
        class Store:
            def __init__(self, session: Session):
                self.session = session
            @property
            def routers(self):
                return self.session.query(Router).all()
            @functools.cached_property
            def kept(self):
                return self.session.query(Router).all()
            def plain(self):
                return self.session.query(Router).all()
        def one(session):
            return Store(session).routers
        def two(store: Store):
            return [router.id for router in store.routers]
        def three(store: Store):
            return store.kept
        def four(store: Store):
            return store.plain
        """
    )
    assert does(project, "app.two") == {"read": True}
    assert does(project, "app.three") == {"read": False}
    assert does(project, "app.four") == {}
