from __future__ import annotations

import textwrap

from auditor import knowledge
from auditor.model.knowledge import merged
from auditor.source.facts import Bind, Call, FunctionFacts, ModuleFacts, Name, Return
from auditor.source.parse import parse_module
from auditor.source.program import last_step
from auditor.source.project import Project, link

KNOWN = merged(knowledge.TABLES)


def project_of(**sources: str) -> Project:
    """A project of modules by name; `__` in a name stands for a dot."""
    modules = []
    for name, source in sources.items():
        dotted = name.replace("__", ".")
        path = f"{dotted.replace('.', '/')}.py"
        modules.append(parse_module(path, dotted, textwrap.dedent(source).encode()))
    return link(modules, KNOWN)


def function_of(project: Project, dotted: str) -> tuple[ModuleFacts, FunctionFacts]:
    scope = project.program.functions[dotted]
    return scope.module, scope.function


def called_by(project: Project, dotted: str, step: str) -> list[str]:
    """What the calls written `step` in a function may run, by dotted name, in order."""
    _, function = function_of(project, dotted)
    return [
        target.function.dotted
        for position, event in enumerate(function.events)
        if isinstance(event, Call) and last_step(event.func) == step
        for target in project.targets(function, position, event)
        if target.function is not None
    ]


def kind_of(project: Project, dotted: str, name: str) -> tuple[str, str]:
    """Kind and class of a name at the end of a function."""
    module, function = function_of(project, dotted)
    value = project.value(module, function, len(function.events), Name(name))
    return value.kind, value.name


def test_imported_functions_are_followed_through_re_exports() -> None:
    project = project_of(
        app__deep="def load(): pass",
        app__api="from app.deep import load as get",
        app__use="from app import api\ndef run(): return api.get()",
    )
    assert called_by(project, "app.use.run", "get") == ["app.deep.load"]


def test_a_star_import_is_followed() -> None:
    project = project_of(
        app__deep="def load(): pass", app__use="from app.deep import *\ndef run(): return load()"
    )
    assert called_by(project, "app.use.run", "load") == ["app.deep.load"]


def test_methods_are_found_through_mixins_of_other_modules() -> None:
    project = project_of(
        app__mixins="class Loads:\n    def load(self): pass",
        app__store="""
            from app import mixins
            class Base:
                def load(self): pass
            class Store(mixins.Loads, Base):
                def run(self): return self.load()
            """,
    )
    assert called_by(project, "app.store.Store.run", "load") == ["app.mixins.Loads.load"]


def test_super_begins_after_the_class_it_stands_in() -> None:
    project = project_of(
        app="""
        class Base:
            def load(self): pass
        class Store(Base):
            def load(self): return super().load()
        """
    )
    assert called_by(project, "app.Store.load", "load") == ["app.Base.load"]


def test_overrides_count_for_self_and_not_for_what_was_constructed() -> None:
    source = """
        class Base:
            def load(self): pass
            def run(self): return self.load()
        class Store(Base):
            def load(self): pass
        def make():
            return Base().load()
        """
    project = project_of(app=source)
    assert called_by(project, "app.Base.run", "load") == ["app.Base.load", "app.Store.load"]
    assert called_by(project, "app.make", "load") == ["app.Base.load"]


def test_attributes_set_in_init_have_the_class_they_were_made_of() -> None:
    project = project_of(
        app="""
        class Store:
            def load(self): pass
        class Service:
            def __init__(self):
                self.store = Store()
            def run(self):
                return self.store.load()
        """
    )
    assert called_by(project, "app.Service.run", "load") == ["app.Store.load"]


def test_instances_of_a_module_and_partials_are_followed() -> None:
    project = project_of(
        app__store="""
        import functools
        class Store:
            def load(self): pass
        STORE = Store()
        def make(kind, key): pass
        short = functools.partial(make, "a")
        """,
        app__use="from app import store\ndef run():\n    store.STORE.load()\n    store.short(1)",
    )
    assert called_by(project, "app.use.run", "load") == ["app.store.Store.load"]
    assert called_by(project, "app.use.run", "short") == ["app.store.make"]


def test_what_a_function_returns_is_known_to_its_caller() -> None:
    project = project_of(
        app="""
        from sqlalchemy.orm import Session, sessionmaker
        from app.models import Router
        Maker = sessionmaker()
        def session():
            return Maker()
        def run():
            rows = session().query(Router).filter_by(id=1).all()
            row = session().get(Router, 1)
        """,
        app__models="class Router: pass",
    )
    assert kind_of(project, "app.run", "rows") == ("rows", "app.models.Router")
    assert kind_of(project, "app.run", "row") == ("row or none", "app.models.Router")


def test_a_parameter_is_what_all_callers_pass() -> None:
    source = """
        from sqlalchemy.orm import Session
        class Router: pass
        class Label: pass
        def one(session: Session):
            return show(session.query(Router).all(), 1)
        def two(session: Session):
            return show(session.query(Router).all(), {other})
        def show(rows, more):
            pass
        """
    same = project_of(app=source.format(other="2"))
    assert kind_of(same, "app.show", "rows") == ("rows", "app.Router")
    mixed = project_of(app=source.replace("query(Router).all(), {other}", "query(Label).all(), 2"))
    assert kind_of(mixed, "app.show", "rows") == ("", "")


def test_a_name_is_what_the_binds_that_may_reach_it_agree_on() -> None:
    project = project_of(
        app="""
        from sqlalchemy.orm import Session
        class Router: pass
        class Label: pass
        def same(session: Session, some):
            rows = None
            if some:
                rows = session.query(Router).all()
            else:
                rows = session.query(Router).filter_by(id=1).all()
        def other(session: Session, some):
            rows = session.query(Router).all()
            if some:
                rows = session.query(Label).all()
        """
    )
    assert kind_of(project, "app.same", "rows") == ("rows", "app.Router")
    assert kind_of(project, "app.other", "rows") == ("", "")


def test_the_variable_of_a_comprehension_is_not_seen_after_it() -> None:
    project = project_of(
        app="""
        from sqlalchemy.orm import Session
        class Router: pass
        def run(session: Session, row):
            ids = [row.id for row in session.query(Router).all()]
        """
    )
    assert kind_of(project, "app.run", "row") == ("", "")


def test_recursive_classes_and_functions_end() -> None:
    project = project_of(
        app="""
        class A(B): pass
        class B(A):
            def run(self): return self.run()
        def one(x): return two(x)
        def two(x): return one(x)
        x = x
        """
    )
    assert called_by(project, "app.B.run", "run") == ["app.B.run"]
    assert [kind_of(project, f"app.{name}", "x") for name in ("one", "two")] == [("", "")] * 2


def test_contexts_bind_what_they_give() -> None:
    project = project_of(
        app="""
        import contextlib
        from oslo_db.sqlalchemy import enginefacade
        from sqlalchemy.orm import Session
        @contextlib.contextmanager
        def scope():
            session = Session()
            yield session
        def run(context):
            with enginefacade.writer.using(context) as one, scope() as two:
                pass
        @enginefacade.reader
        def read(context):
            pass
        """
    )
    assert kind_of(project, "app.run", "one") == ("session", "")
    assert kind_of(project, "app.run", "two") == ("session", "")
    module, function = function_of(project, "app.read")
    modes = [context.mode.value for context in project.decorating_contexts(module, function)]
    assert modes == ["reader"]


def test_an_event_of_a_function_is_found_by_identity() -> None:
    project = project_of(app="def run():\n    x = 1\n    x = 1\n    return x")
    _, function = function_of(project, "app.run")
    kinds = [type(event) for event in function.events]
    assert kinds.count(Bind) == 2
    assert kinds[-1] is Return


def test_annotated_aliases_and_unions_say_what_a_parameter_is() -> None:
    project = project_of(
        app__deps="""
        from typing import Annotated
        from sqlalchemy.ext.asyncio import AsyncSession
        Database = Annotated[AsyncSession, Depends(make)]
        """,
        app__use="""
        from sqlalchemy.orm import Session
        from app.deps import Database
        def one(db: Database): pass
        def two(db: Session | None = None): pass
        def three(db: "Session"): pass
        """,
    )
    names = ("app.use.one", "app.use.two", "app.use.three")
    assert [kind_of(project, name, "db") for name in names] == [("session", "")] * 3


def test_async_sessions_are_known_from_their_factory() -> None:
    project = project_of(
        app="""
        from sqlalchemy.ext.asyncio import async_sessionmaker
        Maker = async_sessionmaker()
        async def run():
            async with Maker() as one:
                pass
        """
    )
    assert kind_of(project, "app.run", "one") == ("session", "")
