"""Columns that an option of the query leaves out, and that are then read on each row.

releases = session.scalars(select(Release).options(load_only(Release.position))).all()
sorted(releases, key=lambda release: release.version)        a SELECT for each
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from auditor.model.evidence import SourcePath, Step
from auditor.rule import Example, Hit, Hits
from auditor.rules.places import span_of
from auditor.rules.queries.chains import Chain, chains_of, class_named
from auditor.rules.queries.holders import Holders, holders_of
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Const,
    Expr,
    FunctionFacts,
    Lambda,
    ModuleFacts,
    Read,
    Region,
    path_of,
)
from auditor.source.models import Model
from auditor.source.program import last_step
from auditor.source.project import Project

OPTIONS = frozenset(("load_only", "defer"))
_GIVING = frozenset(
    ("all", "unique", "scalars", "execute", "list", "tuple", "set", "sorted", "reversed", "iter",
     "enumerate", "yield_per", "max", "min", "groupby", "sort")
)  # fmt: skip
"""Calls that give the rows they are asked for or handed, or go through them."""
_KEYS = frozenset(("id", "pk", "uuid"))
"""Usual names of keys, which are always loaded; asked of classes that were not read."""
_DEEPEST = 8


class _LeftOut(NamedTuple):
    """The columns that an option names: all but those are left out, or just those."""

    option: Call
    entity: str
    names: frozenset[str]
    is_rest: bool

    def leaves_out(self, name: str) -> bool:
        return (name in self.names) != self.is_rest


class _Turn(NamedTuple):
    """A stretch of the function that runs for each row, under a name."""

    name: str
    region: Region


def hits(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """One hit for each option that leaves out columns which a loop over the rows reads."""
    holders = holders_of(project, function)
    for chain in chains_of(function):
        entity = _entity(project, module, function, chain)
        for left in _left_out(chain, entity) if entity else ():
            reads = _first_reads(project, holders, chain, left)
            if reads:
                yield _hit(project, module, function, left, reads)


def _first_reads(
    project: Project, holders: Holders, chain: Chain, left: _LeftOut
) -> Mapping[str, Read]:
    """By column: where it is first read on each row."""
    found: dict[str, Read] = {}
    for turn in _turns(holders, chain):
        for read in _reads(project, holders.function, turn, left):
            found.setdefault(read.path[1], read)
    return found


def _entity(project: Project, module: ModuleFacts, function: FunctionFacts, chain: Chain) -> str:
    """The one class whose rows a query gives."""
    selected = chain.start.args
    return class_named(project, module, function, selected[0]) if len(selected) == 1 else ""


def _left_out(chain: Chain, entity: str) -> Iterator[_LeftOut]:
    """What the options of the selected class itself leave out; not those of what it leads to."""
    options = [arg for link in chain.named("options") for arg in link.args]
    of_class = [o for o in options if isinstance(o, Call) and last_step(o.func) in OPTIONS]
    deferred: set[str] = set()
    for option in of_class:
        if isinstance(getattr(option.func, "base", None), Call):
            continue
        named = [_column(arg) for arg in option.args]
        if not all(named):
            return
        if last_step(option.func) == "load_only":
            kept = frozenset(named)
            if sum(last_step(o.func) == "load_only" for o in of_class) == 1:
                yield _LeftOut(option, entity, kept, is_rest=True)
            return
        deferred.update(named)
    if deferred:
        yield _LeftOut(of_class[0], entity, frozenset(deferred), is_rest=False)


def _column(expr: Expr) -> str:
    match expr:
        case Attribute(name=name):
            return name
        case Const(value=str() as name):
            return name
        case _:
            return ""


def _turns(holders: Holders, chain: Chain) -> Iterator[_Turn]:
    """Where each row has a name: loops, comprehensions and the lambdas of sorting."""
    waiting: list[Expr] = list(chain.links)
    seen: set[int] = set()
    for _ in range(_DEEPEST):
        held = [h for expr in waiting for h in holders.of(expr) if id(h) not in seen]
        seen.update(id(holder) for holder in held)
        for holder in held:
            if isinstance(holder, Region) and holder.kind in {"for", "comprehension"}:
                yield from _of_loop(holder)
            elif isinstance(holder, Call):
                yield from _of_keys(holders.function, holder)
        waiting = [above for holder in held for above in _rows_above(holders, holder)]


def _of_loop(region: Region) -> Iterator[_Turn]:
    is_numbered = isinstance(region.expr, Call) and last_step(region.expr.func) == "enumerate"
    if len(region.target) == 1 or (is_numbered and len(region.target) > 1):
        yield _Turn(region.target[-1], region)


def _of_keys(function: FunctionFacts, call: Call) -> Iterator[_Turn]:
    """`sorted(rows, key=lambda row: row.name)`."""
    if last_step(call.func) not in _GIVING:
        return
    for given in (*call.args[1:], call.keyword("key")):
        if isinstance(given, Lambda) and len(given.parameters) == 1:
            yield _Turn(given.parameters[0], function.regions[given.region])


def _rows_above(holders: Holders, holder: object) -> Iterator[Expr]:
    """The expressions that stand for the rows next."""
    if isinstance(holder, Bind):
        if holder.kind == "assign" and "." not in holder.target:
            yield from holders.mentions_of(holder.target)
    elif isinstance(holder, Attribute) and holder.name in _GIVING:
        yield from (h for h in holders.of(holder) if isinstance(h, Call) and h.func is holder)
        if holder.name == "sort":
            yield holder
    elif isinstance(holder, Call) and last_step(holder.func) in _GIVING:
        yield holder


def _reads(
    project: Project, function: FunctionFacts, turn: _Turn, left: _LeftOut
) -> Iterator[Read]:
    """The reads of columns that the query left out."""
    inside = function.inside(turn.region)
    called = {path_of(e.func) for e in inside if isinstance(e, Call)}
    bound = {e.target for e in inside if isinstance(e, Bind)}
    if turn.name in bound - set(turn.region.target):
        return
    model = project.models.model_of(left.entity)
    for event in inside:
        if not isinstance(event, Read) or event.path[0] != turn.name or len(event.path) == 1:
            continue
        name = event.path[1]
        is_made = event.path[:2] in called or f"{turn.name}.{name}" in bound
        if left.leaves_out(name) and not is_made and _is_column(model, name):
            yield event


def _is_column(model: Model | None, name: str) -> bool:
    """Whether an attribute is a column other than the key, which is loaded in any case."""
    if model is None:
        return not name.startswith(("_", "[")) and name not in _KEYS
    bound = model.columns.get(name)
    call = bound.bind.value if bound is not None else None
    key = call.keyword("primary_key") if isinstance(call, Call) else None
    return bound is not None and not (isinstance(key, Const) and key.value is True)


def _hit(
    project: Project,
    module: ModuleFacts,
    function: FunctionFacts,
    left: _LeftOut,
    reads: Mapping[str, Read],
) -> Hit:
    first = next(iter(reads.values()))
    several = len(reads) > 1
    is_known = project.models.model_of(left.entity) is not None
    fields = {
        "option": last_step(left.option.func),
        "columns": ", ".join(f"`{name}`" for name in reads),
        "are": "are" if several else "is",
        "line": first.at.line,
        "assumes": "more than a row or two" if is_known else f"that `{first.path[1]}` is a column",
    }
    steps = (
        Step(span_of(module, left.option.at), "the columns to load"),
        *(Step(span_of(module, read.at), "another one is read") for read in reads.values()),
    )
    evidence = (SourcePath(steps),)
    span = span_of(module, left.option.at)
    return Hit(span, function.qualname, fields, evidence, message=_MESSAGE)


_MESSAGE = (
    "`{option}` leaves out {columns}, which {are} read on each row (line {line}): a SELECT for"
    " each of them; assumes {assumes}"
)


_MODEL = """
            import sqlalchemy as sa
            from sqlalchemy import orm
            from sqlalchemy.orm import Session, defer, load_only

            Base = orm.declarative_base()

            class Release(Base):
                __tablename__ = "releases"
                id = sa.Column(sa.Integer, primary_key=True)
                version = sa.Column(sa.String(80))
                position = sa.Column(sa.Integer)
                notes = sa.Column(sa.Text)

                def is_new(self):
                    return True
"""
BAD = (
    Example(
        "a column that the query leaves out, read by the key of a sort",
        """
            from app.models import Release
            from sqlalchemy import orm

            def renumber(request, project):
                releases = (
                    request.db.query(Release)
                    .filter(Release.project == project)
                    .options(orm.load_only(Release.position))  # expect: DBA302
                    .all()
                )
                ordered = sorted(releases, key=lambda release: release.version.split("."))
                for number, release in enumerate(ordered):
                    release.position = number
        """,
    ),
    Example(
        "a column that is put off, read in a comprehension",
        _MODEL
        + """
            async def notes(session: Session):
                query = sa.select(Release).where(Release.position > 3)
                query = query.options(defer(Release.notes))  # expect: DBA302
                found = await session.scalars(query)
                return {release.id: release.notes for release in found}
        """,
    ),
    Example(
        "the query itself goes through a loop",
        _MODEL
        + """
            def lines(session: Session):
                query = session.query(Release).options(load_only("position"))  # expect: DBA302
                for release in query.order_by(Release.id):
                    yield f"{release.position} {release.version}"
        """,
    ),
)
GOOD = (
    Example(
        "only what is loaded is read: the named column and the key, which is loaded in any case",
        _MODEL
        + """
            def renumber(session: Session):
                query = session.query(Release).options(load_only(Release.version))
                for number, release in enumerate(sorted(query, key=lambda r: r.version)):
                    release.position = number
                    print(release.id, release.is_new())
        """,
    ),
    Example(
        "the option is about another class, the one that a relation leads to",
        """
            from app.models import Release
            from sqlalchemy.orm import joinedload, Session

            def names(session: Session):
                option = joinedload(Release.project).load_only("name")
                query = session.query(Release).options(joinedload("files").load_only("path"))
                return [release.version for release in query.options(option)]
        """,
    ),
    Example(
        "one row: one more SELECT",
        _MODEL
        + """
            def version(session: Session, key):
                query = session.query(Release).options(load_only(Release.position))
                return query.filter_by(id=key).one().version
        """,
    ),
)
