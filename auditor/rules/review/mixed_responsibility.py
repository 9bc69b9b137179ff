"""DBA605: one function that queries and shapes the answer, or works on unrelated entities."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import Effect
from auditor.model.span import Span
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.source.database_functions import is_migration
from auditor.source.facts import (
    Bind,
    Call,
    Const,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Pairs,
    Return,
    Test,
    Yield,
    walk,
)
from auditor.source.families import families_of
from auditor.source.loads import STATEMENTS, Loads, class_of
from auditor.source.project import Project
from auditor.source.sites import Site
from auditor.source.traits import SITE

_BRANCHES = frozenset(("if", "for", "while", "comprehension", "handler", "case"))
_COMPLEX = 7
"""Ways through a function (McCabe) from which two jobs in it are too many."""
_VERY_COMPLEX = 10
_KEYS = 3
"""Keys from which a dict display shapes an answer."""
_SHOWN = 3


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Functions over a bound of complexity with two jobs."""
    complexity = _complexity(function)
    if function is module.body or complexity < _COMPLEX or is_migration(module):
        return
    scope = project.program.scope_of(function)
    sites = [s for s in project.sites(function) if not STATEMENTS.isdisjoint(s.effects)]
    if not sites:
        return
    told = ""
    if complexity >= _VERY_COMPLEX:
        told = _two_families(Loads(project, scope), sites)
    told = told or _queries_and_shapes(function, sites)
    if told:
        at = function.at
        fields = {"function": function.name, "told": told, "complexity": complexity}
        yield Hit(Span(module.path, at.line, at.column), function.qualname, fields)


def _complexity(function: FunctionFacts) -> int:
    """McCabe's number: branches, loops, handlers and conditional expressions, plus one."""
    choices = sum(isinstance(e, Test) and e.kind == "choice" for e in function.events)
    return 1 + choices + sum(region.kind in _BRANCHES for region in function.regions)


def _queries_and_shapes(function: FunctionFacts, sites: list[Site]) -> str:
    """The query lines, the lines that build an answer, and the seam between them."""
    reads = sorted({s.at.line for s in sites if Effect.READ in s.effects})
    shapes = sorted({line for line in _shaping(function) if line not in reads})
    if not reads or not shapes:
        return ""
    after = [line for line in shapes if line > reads[-1]]
    where = f"queries ({_lines(reads)}) and builds the answer ({_lines(shapes)})"
    if len(after) == len(shapes):
        return f"{where}: the seam is before line {shapes[0]}"
    return f"{where}, one in between the other"


def _shaping(function: FunctionFacts) -> Iterator[int]:
    """Lines of dicts with several constant keys that are kept, returned or handed on."""
    for event in function.events:
        if isinstance(event, (Bind, Return, Yield)):
            built: tuple[Expr | None, ...] = (event.value,)
        elif isinstance(event, Call):
            built = event.args
        else:
            continue
        if any(_is_answer(found) for expr in built for found in walk(expr)):
            yield event.at.line


def _is_answer(expr: Expr) -> bool:
    if not isinstance(expr, Pairs):
        return False
    keys = [k for k in expr.keys if isinstance(k, Const) and isinstance(k.value, str)]
    return len(keys) >= _KEYS


def _two_families(asked: Loads, sites: list[Site]) -> str:
    """Entities that no key ties, each with the line it is first worked on."""
    first: dict[str, int] = {}
    for site in sites:
        name = class_of(asked, site)
        if name:
            first.setdefault(name, site.at.line)
    families = families_of(asked.project.models, first)
    if len(families) < 2:  # noqa: PLR2004 - two families
        return ""
    lines = {name.rpartition(".")[2]: line for name, line in first.items()}
    shown = "; ".join(
        ", ".join(f"`{name}`{_from(lines.get(name))}" for name in family[:_SHOWN])
        for family in families[:_SHOWN]
    )
    return f"works on {len(families)} families of tables that no key ties: {shown}"


def _from(line: int | None) -> str:
    return "" if line is None else f" from line {line}"


def _lines(lines: list[int]) -> str:
    shown = ", ".join(str(line) for line in lines[:_SHOWN])
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return f"line{'s' if len(lines) > 1 else ''} {shown}{more}"


_LOADED = """
            def report(session, wanted, only_up, brief):
                found = []
                for owner in wanted:
                    routers = session.query(Router).filter_by(owner=owner).all()
                    for router in routers:
                        if only_up and not router.up:
                            continue
                        if router.gone:
                            continue
                        name = router.name if router.name else "-"
"""
RULE = Rule(
    code="DBA605",
    name="mixed-responsibility",
    since="0.1.0",
    severity=Severity.NOTE,
    confidence=Confidence.LOW,
    message="`{function}` {told} (complexity {complexity})",
    why=(
        "A function that loads and shapes in one body can be tested only with a database, and its"
        " queries cannot be moved out of the loop that shapes. One that works on tables that have"
        " nothing to do with each other changes for two reasons."
    ),
    instead="one function that loads all rows, and one without a session that shapes them.",
    checks=(OnFunction(check, needs=(SITE,)),),
    bad=(
        Example(
            "queries in the loop that shapes",
            _LOADED.replace("brief):", "brief):  # expect: DBA605")
            + """
                        if not brief:
                            name = name.upper()
                        found.append({"id": router.id, "name": name, "owner": owner})
                return found
            """,
        ),
        Example(
            "first one, then the other",
            """
            def report(session, owner, brief, sort):  # expect: DBA605
                query = session.query(Router).filter_by(owner=owner)
                if sort:
                    query = query.order_by(sort)
                routers = query.all()
                found = []
                for router in routers:
                    if router.gone or not router.up:
                        continue
                    name = router.name if router.name else "-"
                    if brief:
                        name = name[:8]
                    elif router.alias:
                        name = router.alias
                    found.append({"id": router.id, "name": name, "owner": router.owner})
                return found
            """,
        ),
        Example(
            "two families of tables",
            """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Router(Base):
                __tablename__ = "routers"
                id = sa.Column(sa.Integer, primary_key=True)

            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.Integer, primary_key=True)
                router_id = sa.Column(sa.ForeignKey("routers.id"))

            class Invoice(Base):
                __tablename__ = "invoices"
                id = sa.Column(sa.Integer, primary_key=True)

            def close(session: orm.Session, ids, force, month):  # expect: DBA605
                for id in ids:
                    router = session.get(Router, id)
                    if router is None:
                        continue
                    if router.up and not force:
                        raise ValueError(id)
                    if router.ports:
                        if force:
                            router.ports.clear()
                    router.up = False
                for invoice in session.query(Invoice).filter_by(month=month).all():
                    if invoice.open:
                        invoice.open = False
                    elif invoice.late:
                        invoice.fee = 2 if force else 1
            """,
        ),
    ),
    good=(
        Example(
            "the loading and the shaping are two functions",
            """
            def report(session, owner, brief):
                return [shaped(router, brief) for router in loaded(session, owner)]

            def loaded(session, owner):
                return session.query(Router).filter_by(owner=owner).all()

            def shaped(router, brief):
                name = router.name if router.name else "-"
                if brief:
                    name = name[:8]
                elif router.alias:
                    name = router.alias
                if router.gone:
                    name += "!"
                if router.up:
                    name += "+"
                return {"id": router.id, "name": name, "owner": router.owner}
            """,
        ),
        Example(
            "short enough",
            """
            def report(session, owner):
                routers = session.query(Router).filter_by(owner=owner).all()
                return [{"id": r.id, "name": r.name, "owner": r.owner} for r in routers if r.up]
            """,
        ),
        Example("it shapes nothing", _LOADED + "                        found.append(name)\n"),
    ),
    known_gaps=(
        "only dicts with three or more constant keys count as an answer being shaped",
        "entities reached through other functions do not count",
        "loops and branches of nested functions are not added",
    ),
)
