"""DBA609: a module for many unrelated tables, or database work in a layer that should have none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from auditor.model.finding import Confidence, Severity
from auditor.model.span import Span
from auditor.rule import Example, Hit, Hits, OnModule, Rule
from auditor.source.database_functions import is_migration
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.families import families_of
from auditor.source.loads import STATEMENTS, Loads, class_of
from auditor.source.project import Project
from auditor.source.sites import Site

_FAMILIES = 4
_TABLES = 6
_SHOWN = 4
_DATA_LAYERS = frozenset(
    ("db", "dao", "daos", "repositories", "repository", "persistence", "storage", "objects")
)
"""Folders and modules by which a project shows that it has a layer for its database work."""
_OTHER_LAYERS = frozenset(
    ("views", "view", "controllers", "serializers", "templates", "forms", "validators", "agent",
     "agents", "rpc", "cmd")
)  # fmt: skip
"""Folders and modules of layers that ask that one instead."""


def check(project: Project, module: ModuleFacts) -> Hits:
    """At most one hit of each kind for a module."""
    sites = list(_sites(project, module))
    if not sites or is_migration(module):
        return
    names = [class_of(Loads(project, project.program.scope_of(f)), site) for f, site in sites]
    families = families_of(project.models, (name for name in names if name))
    tables = sum(len(family) for family in families)
    function, site = sites[0]
    if len(families) >= _FAMILIES and tables >= _TABLES:
        shown = "; ".join(", ".join(f"`{n}`" for n in family) for family in families[:_SHOWN])
        more = f"; and {len(families) - _SHOWN} more" if len(families) > _SHOWN else ""
        told = f"works on {tables} tables in {len(families)} groups no key ties: {shown}{more}"
        yield Hit(_span(module, site), function.qualname, {"told": told})
    layer = _layer(module.path)
    if layer and _has_data_layer(project):
        lines = sorted({s.at.line for _, s in sites})
        shown = ", ".join(map(str, lines[:_SHOWN]))
        more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
        word = "line" if len(lines) == 1 else "lines"
        told = (
            f"issues statements itself ({word} {shown}{more}); its path says `{layer}`, and the"
            " project has a layer for that"
        )
        yield Hit(_span(module, site), function.qualname, {"told": told})


def _span(module: ModuleFacts, site: Site) -> Span:
    return Span(module.path, site.at.line, site.at.column)


def _sites(project: Project, module: ModuleFacts) -> Iterator[tuple[FunctionFacts, Site]]:
    for function in module.functions:
        for site in project.sites(function):
            if site.sure and not STATEMENTS.isdisjoint(site.effects):
                yield function, site


def _steps(path: str) -> list[str]:
    return list(PurePosixPath(path).with_suffix("").parts)


def _layer(path: str) -> str:
    """The step of a path that names a layer without database work, empty if none does or the
    module is part of the data layer all the same."""
    steps = _steps(path)
    if any(step in _DATA_LAYERS or step.endswith("_db") for step in steps):
        return ""
    return next((step for step in steps[1:] if step in _OTHER_LAYERS), "")


def _has_data_layer(project: Project) -> bool:
    return any(
        not _DATA_LAYERS.isdisjoint(_steps(module.path)) for module in project.modules.values()
    )


def _mapped(*names: str) -> str:
    """Mapped classes without keys to each other."""
    head = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()
"""
    head += """
            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.Integer, primary_key=True)
                owner = sa.Column(sa.ForeignKey("routers.id"))
"""
    return head + "".join(
        f"""
            class {name}(Base):
                __tablename__ = "{name.lower()}s"
                id = sa.Column(sa.Integer, primary_key=True)
"""
        for name in names
    )


def _readers(*names: str) -> str:
    return "".join(
        f"""
            def {name.lower()}s(session: orm.Session):
                return session.query({name}).all()
"""
        for name in names
    )


_SIX = ("Router", "Invoice", "User", "Image", "Quota", "Event")
_DATA = """
            # --- app/db/users.py
            from sqlalchemy.orm import Session
            from app.models import User

            def users(session: Session):
                return session.query(User).all()
"""
RULE = Rule(
    code="DBA609",
    name="organisation",
    since="0.1.0",
    severity=Severity.NOTE,
    confidence=Confidence.LOW,
    message="this module {told}",
    why=(
        "Whoever changes a table must find all code that works on it. A module for everything is"
        " changed by everybody; a statement in a view or an agent is found by nobody, and its"
        " transaction is not the caller's."
    ),
    instead="a module for each group of tables, and all statements in them.",
    checks=(OnModule(check),),
    bad=(
        Example(
            "six tables that have nothing to do with each other",
            _mapped(*_SIX) + _readers(*_SIX).replace(".all()", ".all()  # expect: DBA609", 1),
        ),
        Example(
            "a query in a view",
            _DATA
            + """
            # --- app/views/users.py
            from sqlalchemy.orm import Session
            from app.models import User

            def page(session: Session):
                return session.query(User).all()  # expect: DBA609
            """,
        ),
        Example(
            "a query in an agent",
            _DATA
            + """
            # --- app/agent/loop.py
            from sqlalchemy import select
            from sqlalchemy.orm import Session
            from app.models import User

            def refresh(session: Session):
                return session.scalars(select(User)).all()  # expect: DBA609
            """,
        ),
    ),
    good=(
        Example("few tables", _mapped(*_SIX[:3]) + _readers(*_SIX[:3])),
        Example(
            "a view that asks the data layer",
            _DATA
            + """
            # --- app/views/users.py
            from app.db import users

            def page(session):
                return users.users(session)
            """,
        ),
        Example(
            "a project without a data layer",
            """
            # --- app/views/users.py
            from sqlalchemy.orm import Session
            from app.models import User

            def page(session: Session):
                return session.query(User).all()
            """,
        ),
    ),
    known_gaps=(
        "a layer is known by the name of its folder or module only",
        "tables of statements whose class is not known do not count",
    ),
)
