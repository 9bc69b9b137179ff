"""Collections that a query joins twice: by `.join()`, and by a loader option beside it.

session.query(Project).options(joinedload(Project.releases)).join(Release).order_by(Release.created)

The loader joins the table once more, under a name of its own, so that conditions on the join leave
the collection whole. With no condition on the join, n releases come n times: n * n rows a project.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from auditor.rule import Example
from auditor.rules.queries.chains import Chain, Option, class_named, classes_in
from auditor.rules.queries.relations import collection
from auditor.source.facts import (
    At,
    Attribute,
    Call,
    Expr,
    FunctionFacts,
    ModuleFacts,
    dotted,
)
from auditor.source.program import last_step
from auditor.source.project import Project

_JOINS = ("join", "outerjoin")
_CONDITIONS = ("filter", "where", "having")
_FEWER = frozenset(
    ("filter_by", "group_by", "distinct", "with_entities", "from_statement", "select_from")
)
"""Links that may leave one row of the joined table, or speak of a table not named here."""


def joined_twice(
    project: Project,
    module: ModuleFacts,
    function: FunctionFacts,
    chain: Chain,
    options: Sequence[Option],
) -> Iterator[tuple[At, str]]:
    """The options that join a collection which the query joins already, and does not narrow."""
    joins = [join for join in chain.named(*_JOINS) if join.args]
    if not joins or not chain.is_whole or _is_narrowed(chain):
        return
    narrowed = {
        name
        for link in chain.named(*_CONDITIONS)
        for arg in link.args
        for name, _ in classes_in(project, module, function, arg)
    }
    owner = class_named(project, module, function, chain.start.args[0])
    for option in options:
        if option.how != "joinedload" or len(option.steps) != 1:
            continue
        relation = option.steps[0][1]
        own = collection(project.models, owner, relation)
        for join in joins:
            joined = join.args[0]
            target = class_named(project, module, function, joined)
            is_own = own is not None and _is_written(
                project, module, function, joined, (owner, relation)
            )
            if not is_own and not _leads_to(project, owner, option, target):
                continue
            if not narrowed & {target, own.target if own is not None else ""}:
                said = f"{last_step(join.func)}({dotted(joined)})"
                words = f"`{relation}` is joined by `{said}` and once more by `joinedload()`"
                yield option.call.at, words


def _is_narrowed(chain: Chain) -> bool:
    """Whether a link may leave one joined row for each result, or takes the joined rows itself."""
    if not _FEWER.isdisjoint(last_step(link.func) for link in chain.links):
        return True
    options = (arg for link in chain.named("options") for arg in link.args)
    return any(isinstance(o, Call) and "contains_eager" in dotted(o.func) for o in options)


def _leads_to(project: Project, owner: str, option: Option, target: str) -> bool:
    """Whether the relation of an option is a collection of a class; of a model that is not read,
    `releases` is one of `Release`."""
    written, relation = option.steps[0]
    if (written or owner) not in project.models.by_name:
        last = target.rpartition(".")[2].lower()
        plain = relation.lower().replace("_", "")
        return bool(last) and plain in {f"{last}s", f"{last}es", f"{last[:-1]}ies"}
    found = collection(project.models, written or owner, relation)
    return found is not None and found.target == target


def _is_written(
    project: Project,
    module: ModuleFacts,
    function: FunctionFacts,
    joined: Expr,
    relation: tuple[str, str],
) -> bool:
    """`.join(Project.releases)`, for the class and the name of a relation."""
    return (
        isinstance(joined, Attribute)
        and (class_named(project, module, function, joined.base), joined.name) == relation
    )


_MODELS = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Project(Base):
                __tablename__ = "projects"
                id = sa.Column(sa.Integer, primary_key=True)
                releases = orm.relationship("Release")

            class Release(Base):
                __tablename__ = "releases"
                id = sa.Column(sa.Integer, primary_key=True)
                created = sa.Column(sa.DateTime)
                project_id = sa.Column(sa.ForeignKey("projects.id"))
"""
JOINED_TWICE = (
    Example(
        "a collection joined to be ordered by, and to be loaded",
        _MODELS
        + """
            def projects(session: orm.Session):
                return (
                    session.query(Project)
                    .options(orm.joinedload(Project.releases))  # expect: DBA311
                    .join(Release)
                    .order_by(Release.created.desc())
                    .all()
                )
        """,
    ),
    Example(
        "joined by the relation, 2.0 style",
        _MODELS
        + """
            def projects(session: orm.Session):
                query = sa.select(Project).join(Project.releases)
                query = query.options(orm.joinedload(Project.releases))  # expect: DBA311
                return session.scalars(query.order_by(Release.created)).unique().all()
        """,
    ),
    Example(
        "models of another module",
        """
            from sqlalchemy.orm import joinedload

            from shop.models import Project, Release

            def projects(session):
                query = session.query(Project).outerjoin(Release)
                query = query.options(joinedload(Project.releases))  # expect: DBA311
                return query.order_by(Release.created).all()
        """,
    ),
)
NOT_JOINED_TWICE = (
    Example(
        "a condition on the join, and the collection whole",
        _MODELS
        + """
            def released(session: orm.Session, day):
                return (
                    session.query(Project)
                    .options(orm.joinedload(Project.releases))
                    .join(Release)
                    .filter(Release.created == day)
                    .all()
                )
        """,
    ),
    Example(
        "the join is what is loaded",
        _MODELS
        + """
            def projects(session: orm.Session):
                return (
                    session.query(Project)
                    .join(Project.releases)
                    .options(orm.contains_eager(Project.releases))
                    .order_by(Release.created)
                    .all()
                )
        """,
    ),
    Example(
        "loaded by a statement of its own",
        _MODELS
        + """
            def projects(session: orm.Session):
                query = session.query(Project).options(orm.selectinload(Project.releases))
                return query.join(Release).order_by(Release.created).all()
        """,
    ),
)
