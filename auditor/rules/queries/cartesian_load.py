"""DBA311: a query whose rows multiply: collections joined side by side, a table without a tie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, LiveExample, OnFunction, OnTape, Rule
from auditor.rules.places import span_of
from auditor.rules.queries.chains import (
    STARTS,
    Chain,
    Option,
    chains_of,
    class_named,
    classes_in,
    is_given,
    options_of,
)
from auditor.rules.queries.joined_twice import JOINED_TWICE, NOT_JOINED_TWICE, joined_twice
from auditor.rules.queries.recorded_products import recorded
from auditor.rules.queries.relations import is_many
from auditor.source.facts import (
    At,
    Attribute,
    Call,
    Compare,
    Const,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Starred,
    walk,
)
from auditor.source.program import last_step
from auditor.source.project import Project

_CONDITIONS = ("filter", "where")
_TYING = frozenset(
    ("join", "outerjoin", "join_from", "outerjoin_from", "select_from", "correlate",
     "with_parent", "from_statement", "from_self", "select_entity_from", "with_entities", "union",
     "union_all", "add_columns")
)  # fmt: skip
"""Links after which this rule does not know what stands in FROM."""


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Queries that load a product of tables."""
    for chain in chains_of(function):
        options = tuple(options_of(project, module, function, chain))
        for at, words in (
            *_side_by_side(project, module, function, chain, options),
            *joined_twice(project, module, function, chain, options),
        ):
            yield Hit(span_of(module, at), function.qualname, {"what": words})
        found = _untied(project, module, function, chain)
        if found:
            words = f"`{found[0]}` and `{found[1]}` stand in FROM and no condition ties them"
            yield Hit(span_of(module, chain.start.at), function.qualname, {"what": words})


def _side_by_side(
    project: Project,
    module: ModuleFacts,
    function: FunctionFacts,
    chain: Chain,
    options: Sequence[Option],
) -> Iterator[tuple[At, str]]:
    """The second of two collections that one query joins, or `joinedload("*")`."""
    owner = class_named(project, module, function, chain.start.args[0])
    first = ""
    for option in options:
        if option.how != "joinedload":
            continue
        name = option.steps[0][1]
        if name == "*":
            yield option.call.at, '`joinedload("*")` joins every relationship, collections too'
        elif _has_collection(project, owner, option) and first != name:
            if first:
                words = f"`{first}` and `{name}` are collections joined side by side"
                yield option.call.at, words
            first = first or name


def _has_collection(project: Project, owner: str, option: Option) -> bool:
    """Whether one of the steps is known to give many rows."""
    for written, name in option.steps:
        model = project.models.by_name.get(written or owner)
        relation = model.relationships.get(name) if model is not None else None
        if model is None or relation is None:
            return False
        if is_many(project.models, model, relation):
            return True
        owner = relation.target
    return False


def _untied(
    project: Project, module: ModuleFacts, function: FunctionFacts, chain: Chain
) -> tuple[str, str] | None:
    """Two mapped classes of one query that nothing ties together; None when all are tied, or when
    not everything that may tie them can be read."""
    if any(is_given(function, arg) for arg in chain.start.args):
        return None
    names = {last_step(link.func) for link in chain.links}
    if not chain.is_whole or not _TYING.isdisjoint(names):
        return None
    conditions = [arg for link in chain.named(*_CONDITIONS) for arg in link.args]
    if not conditions or not all(_is_readable(c) for c in conditions):
        return None
    used: list[str] = []
    for expr in (*chain.start.args, *conditions):
        direct = class_named(project, module, function, expr)
        used.extend([direct] if direct else [])
        used.extend(name for name, _ in classes_in(project, module, function, expr))
    used = list(dict.fromkeys(used))
    tables = {name: _table(project, name) for name in used}
    if len(used) < 2 or not all(tables.values()):  # noqa: PLR2004 - a product needs two
        return None
    groups = [{name} for name in used]
    for expr in conditions:
        for tied in _ties(project, module, function, expr):
            groups = _merged(groups, tied)
    for one in groups[1:]:
        other, late = next(iter(groups[0])), next(n for n in used if n in one)
        if tables[other] != tables[late]:
            return other.rpartition(".")[2], late.rpartition(".")[2]
    return None


def _table(project: Project, name: str) -> str:
    """The table of a mapped class that inherits from no other table; empty for any other."""
    models = project.models.by_name
    model = models.get(name)
    if model is None:
        return ""
    above = [models[a].table for a in project.program.mro(name)[1:] if a in models]
    return "" if any(above) else model.table


def _is_readable(condition: Expr) -> bool:
    """Whether a condition is written here as a comparison, or a method of a column."""
    if isinstance(condition, (Starred, Const)):
        return False
    if isinstance(condition, Call):
        written = isinstance(condition.func, Attribute)
        nested = any(
            isinstance(c, Call) and last_step(c.func) in _UNREADABLE for c in walk(condition)
        )
        return written and not nested
    return isinstance(condition, (Compare, Attribute))


_UNREADABLE = frozenset(
    ("text", "from_self", "exists", "has", "any", "contains", "select", "query")
)


def _ties(
    project: Project, module: ModuleFacts, function: FunctionFacts, expr: Expr
) -> Iterator[set[str]]:
    """The classes that one condition names together."""
    tied = {name for name, _ in classes_in(project, module, function, expr)}
    if len(tied) > 1:
        yield tied


def _merged(groups: list[set[str]], tied: set[str]) -> list[set[str]]:
    touched = [g for g in groups if not g.isdisjoint(tied)]
    rest = [g for g in groups if g.isdisjoint(tied)]
    merged = set().union(*touched)
    return [merged, *rest] if groups and groups[0] in touched else [*rest, merged]


_MODELS = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Project(Base):
                __tablename__ = "projects"
                id = sa.Column(sa.Integer, primary_key=True)
                owner_id = sa.Column(sa.ForeignKey("owners.id"))
                owner = orm.relationship("Owner")
                releases = orm.relationship("Release")
                files = orm.relationship("File")

            class Owner(Base):
                __tablename__ = "owners"
                id = sa.Column(sa.Integer, primary_key=True)
                name = sa.Column(sa.String(64))

            class Release(Base):
                __tablename__ = "releases"
                id = sa.Column(sa.Integer, primary_key=True)
                project_id = sa.Column(sa.ForeignKey("projects.id"))

            class File(Base):
                __tablename__ = "files"
                id = sa.Column(sa.Integer, primary_key=True)
                project_id = sa.Column(sa.ForeignKey("projects.id"))
"""
_RUN = (
    _MODELS
    + """
            def prepare(engine):
                Base.metadata.create_all(engine)
                with orm.Session(engine) as session:
                    for _ in range(3):
                        parts = {"releases": [Release(), Release()], "files": [File(), File()]}
                        session.add(Project(owner=Owner(), **parts))
                    session.commit()
"""
)
RULE = Rule(
    code="DBA311",
    name="cartesian-load",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="{what}: the result holds a row for each combination, if both have many",
    why=(
        "A hundred releases and a hundred files make ten thousand rows for one project. The ORM"
        " folds them into two lists again, so the result looks right and only the time shows it."
    ),
    instead="`selectinload()` for the second collection; a join condition, or `.join()`, for a"
    " table that is only named.",
    checks=(OnFunction(check, calls=STARTS), OnTape(recorded)),
    bad=(
        *JOINED_TWICE,
        Example(
            "two collections joined",
            _MODELS
            + """
            def projects(session: orm.Session):
                return session.query(Project).options(
                    orm.joinedload(Project.releases),
                    orm.joinedload(Project.files),  # expect: DBA311
                )
            """,
        ),
        Example(
            "everything joined",
            _MODELS
            + """
            def project(session: orm.Session, key):
                return (
                    session.query(Project)
                    .filter_by(id=key)
                    .options(orm.joinedload("*"))  # expect: DBA311
                    .one()
                )
            """,
        ),
        Example(
            "a table without a tie",
            _MODELS
            + """
            def owned(session: orm.Session, name):
                return session.query(Project).filter(Owner.name == name).all()  # expect: DBA311
            """,
        ),
        LiveExample(
            "recorded: options from another function",
            _RUN
            + """
            def everything():
                return [orm.joinedload(getattr(Project, name)) for name in ("files", "releases")]

            def run(engine):
                with orm.Session(engine) as session:
                    query = sa.select(Project).options(*everything())
                    return session.scalars(query).unique().all()  # expect: DBA311
            """,
            (
                (
                    "run: `Project.files` and `Project.releases` are collections joined side by"
                    " side, a row for each combination: `selectinload(Project.releases)` in place"
                    " of the second `joinedload`; 12 rows were fetched"
                ),
            ),
        ),
        LiveExample(
            "recorded: a table that nothing ties, in text",
            """
            import sqlalchemy as sa

            def prepare(engine):
                with engine.begin() as connection:
                    for table in ("pets", "tags"):
                        connection.exec_driver_sql(f"CREATE TABLE {table} (id INTEGER)")
                        connection.exec_driver_sql(f"INSERT INTO {table} VALUES (1), (2)")

            def run(engine):
                with engine.connect() as connection:
                    query = sa.text("SELECT p.id, t.id FROM pets p, tags t WHERE p.id > :id")
                    return connection.execute(query, {"id": 1}).all()  # expect: DBA311
            """,
            (
                (
                    "run: `pets` and `tags` stand in FROM and no condition ties them: `JOIN tags ON"
                    " ...`, or a condition that names both; 2 rows were fetched"
                ),
            ),
        ),
    ),
    good=(
        *NOT_JOINED_TWICE,
        Example(
            "an outer join that names both sides",
            _MODELS
            + """
            def names(session: orm.Session, key):
                return session.execute(
                    sa.select(Project.id, File.id)
                    .outerjoin_from(Project, File)
                    .where(Project.id == key)
                )
            """,
        ),
        Example(
            "the second collection by a query of its own",
            _MODELS
            + """
            def projects(session: orm.Session):
                return session.query(Project).options(
                    orm.joinedload(Project.releases),
                    orm.selectinload(Project.files),
                )
            """,
        ),
        Example(
            "one row on the other side",
            _MODELS
            + """
            def projects(session: orm.Session):
                return session.query(Project).options(
                    orm.joinedload(Project.releases),
                    orm.joinedload(Project.owner),
                )
            """,
        ),
        Example(
            "joined",
            _MODELS
            + """
            def owned(session: orm.Session, name):
                return session.query(Project).join(Owner).filter(Owner.name == name).all()
            """,
        ),
        Example(
            "tied by a condition",
            _MODELS
            + """
            def owned(session: orm.Session, name):
                return session.query(Project).filter(
                    Project.owner_id == Owner.id, Owner.name == name
                )
            """,
        ),
        Example(
            "a query of its own in the condition",
            _MODELS
            + """
            def owned(session: orm.Session, name):
                keys = sa.select(Owner.id).where(Owner.name == name)
                return session.scalars(sa.select(Project).where(Project.owner_id.in_(keys)))
            """,
        ),
        Example(
            "a helper adds what ties them",
            _MODELS
            + """
            def owned(session: orm.Session, name):
                query = session.query(Project).filter(Owner.name == name)
                return tie(query).all()
            """,
        ),
        LiveExample(
            "recorded: one collection, one row, a product that is asked for",
            _RUN
            + """
            def run(engine):
                newest = sa.select(sa.func.max(File.id).label("id")).subquery()
                pairs = sa.select(Project.id, Owner.id).join(Owner, sa.true())
                options = orm.joinedload(Project.files), orm.selectinload(Project.releases)
                with orm.Session(engine) as session:
                    session.execute(sa.select(Project.id).join(newest, sa.true())).all()
                    session.execute(pairs).all()
                    return session.scalars(sa.select(Project).options(*options)).unique().all()
            """,
        ),
    ),
    known_gaps=(
        "collections that the mapping itself joins (`lazy='joined'`) are DBA502",
        "joined inheritance, aliases and conditions kept in variables are not looked at",
    ),
    sources=("https://docs.sqlalchemy.org/en/20/orm/queryguide/relationships.html",),
)
