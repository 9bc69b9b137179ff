"""DBA606: a name that misleads: two meanings in one loop, another number or kind than it says."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.evidence import SourcePath, Step
from auditor.model.finding import Confidence, Severity
from auditor.model.span import Span
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.review.named_kinds import contradictions
from auditor.source.facts import (
    Bind,
    Compare,
    Const,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Not,
    Read,
    Region,
    dotted,
    walk,
)
from auditor.source.project import Project
from auditor.source.traits import LOOP, SITE


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """In each loop: a name that is filled once ("if not x: x = ...") in one branch and filled for
    the current element in another, so that the once-filled branch meets another element's value.
    In functions that work on rows also names whose number or kind contradicts their value."""
    for loop in function.regions:
        if loop.kind not in ("for", "while"):
            continue
        for once, name in _filled_once(function, loop):
            other = _filled_for_element(function, loop, once, name)
            if other is not None and not _fresh(function, loop, once):
                yield _hit(module, function, loop, once, other)
    if project.sites(function):
        for found in contradictions(project, function):
            at = found.bind.at
            span = Span(module.path, at.line, at.column, at.end_line, at.end_column)
            fields = {"told": found.told}
            yield Hit(span, function.qualname, fields, confidence=found.confidence)


def _filled_once(function: FunctionFacts, loop: Region) -> Iterator[tuple[Bind, str]]:
    """Binds of a name in a branch taken only while the name is empty: `if not x: x = ...`."""
    for event in function.inside(loop):
        if not isinstance(event, Bind) or event.kind != "assign" or "." in event.target:
            continue
        if _fills_empty(function, event):
            yield event, event.target


def _empty_test(test: Expr | None) -> str:
    """The name that `not x` or `x is None` tests, empty if the test is another one."""
    if isinstance(test, Not):
        return dotted(test.operand) if isinstance(test.operand, Name) else ""
    if isinstance(test, Compare) and test.operators == ("is",):
        right = test.rights[0]
        if isinstance(right, Const) and right.value is None and isinstance(test.left, Name):
            return test.left.name
    return ""


def _filled_for_element(
    function: FunctionFacts, loop: Region, once: Bind, name: str
) -> Bind | None:
    """Another bind of the name in the loop, of a value that depends on the current element."""
    varying = _varying(function, loop)
    for event in function.inside(loop):
        if (
            isinstance(event, Bind)
            and event.target == name
            and event is not once
            and event.kind == "assign"
            and _names_in(event.value) & varying
            and not _names_in(once.value) & varying
            and _exclusive(function, once, event)
            and not _fills_empty(function, event)
        ):
            return event
    return None


def _fills_empty(function: FunctionFacts, bind: Bind) -> bool:
    """Whether a bind stands behind `if x is None:` or `if not x:` of its own name. Where two do,
    the first element that has a value gives it, and that is what is meant to be shared."""
    region = function.regions[bind.region]
    return region.kind == "if" and _empty_test(region.expr) == bind.target


def _varying(function: FunctionFacts, loop: Region) -> set[str]:
    """The loop's own names, and those bound in it from them."""
    varying = {target for target in loop.target if "." not in target}
    for event in function.inside(loop):
        if not isinstance(event, Bind) or "." in event.target:
            continue
        if (_names_in(event.value) | _reads_in(function, event)) & varying:
            varying.add(event.target.removesuffix("[]"))
    return varying


def _names_in(expr: Expr | None) -> set[str]:
    return {found.name for found in walk(expr) if isinstance(found, Name)}


def _reads_in(function: FunctionFacts, bind: Bind) -> set[str]:
    """Names read on the lines of a bind, for comprehensions whose iterable is not in its value."""
    return {
        event.path[0]
        for event in function.events
        if isinstance(event, Read) and bind.at.line <= event.at.line <= bind.at.end_line
    }


def _exclusive(function: FunctionFacts, one: Bind, two: Bind) -> bool:
    """Whether the two binds stand in different branches of one `if`."""
    branches = {r.index: r for r in function.ancestors(one.region)}
    for region in function.ancestors(two.region):
        if region.kind == "else" and region.partner in branches:
            return True
        if region.kind == "if" and any(
            r.kind == "else" and r.partner == region.index for r in branches.values()
        ):
            return True
    return False


def _fresh(function: FunctionFacts, loop: Region, once: Bind) -> bool:
    """Whether the name is bound anew in every round on the way to the test: the test then asks
    about this round's value."""
    guard = function.regions[once.region]
    way = {region.index for region in function.ancestors(guard.parent)}
    return any(
        isinstance(event, Bind) and event.target == once.target and event.region in way
        for event in function.inside(loop)
    )


def _hit(
    module: ModuleFacts, function: FunctionFacts, loop: Region, once: Bind, other: Bind
) -> Hit:
    def step(bind: Bind, note: str) -> Step:
        return Step(Span(module.path, bind.at.line, bind.at.column), note)

    steps = (
        step(other, f"`{once.target}` is filled for one element of the loop"),
        step(once, f"a later round finds `{once.target}` not empty and keeps that value"),
    )
    at = other.at
    span = Span(module.path, at.line, at.column, at.end_line, at.end_column)
    told = (
        f"`{once.target}` holds what belongs to one element here and what is shared by all at line"
        f" {once.at.line} (`if` it is empty): after this line, a later round of the loop at line"
        f" {loop.at.line} takes this element's value for the shared one"
    )
    fields = {"told": told}
    return Hit(span, function.qualname, fields, (SourcePath(steps),))


_MAPPED = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Router(Base):
                __tablename__ = "routers"
                id = sa.Column(sa.Integer, primary_key=True)
"""
RULE = Rule(
    code="DBA606",
    name="misleading-names",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    message="{told}",
    why=(
        "A variable that is filled once and kept (`if not rows: rows = load_all()`) must not also"
        " be filled for the current element. Results then depend on the order of the elements:"
        " whatever the last element left decides what the next one sees, and no ORDER BY is there"
        " to make it the same twice. A name that says another kind or number than its value has is"
        " believed by the next reader."
    ),
    instead="Two names: one loaded before the loop for all, one bound in every round; names that"
    " say what they hold.",
    checks=(OnFunction(check, needs=(LOOP | SITE,)),),
    bad=(
        Example(
            "all rows once, or the rows of one element",
            """
            def sync(session, labels):
                rows = None
                for label in labels:
                    if label.shared:
                        if not rows:
                            rows = load_all(session)
                    else:
                        rows = load_for(session, label.id)  # expect: DBA606
                    send(label, rows)
            """,
        ),
        Example(
            "the element's filter stands in a name of its own",
            """
            def sync(session, labels):
                rows = []
                for label in labels:
                    if label.shared:
                        if not rows:
                            rows = load_all(session)
                    else:
                        wanted = [row.id for row in label.rows]
                        rows = load(session, wanted)  # expect: DBA606
                    send(label, rows)
            """,
        ),
        Example(
            "is None, and the branches the other way round",
            """
            def sync(session, labels):
                rows = None
                for label in labels:
                    if label.project_id:
                        rows = load_for(session, label.project_id)  # expect: DBA606
                    else:
                        if rows is None:
                            rows = load_all(session)
                    send(label, rows)
            """,
        ),
        Example(
            "another kind than the name says",
            """
            def by_id(session):
                found_dict = [row.id for row in session.query(Router).all()]  # expect: DBA606
                return found_dict
            """,
        ),
        Example(
            "another number than the name says, and rows for ids",
            _MAPPED
            + """
            def find(session: orm.Session, name):
                routers = session.query(Router).first()  # expect: DBA606
                router_ids = session.query(Router).all()  # expect: DBA606
                return routers, router_ids
            """,
        ),
    ),
    good=(
        Example(
            "the first that has one, in every branch",
            """
            def sources(session, rows):
                first = None
                for row in rows:
                    if row.data:
                        if first is None:
                            first = Source(row.data)
                    elif first is None:
                        first = Source()
                return first
            """,
        ),
        Example(
            "names that say what they hold",
            _MAPPED
            + """
            def find(session: orm.Session, name):
                router = session.query(Router).first()
                router_ids = [row.id for row in session.query(Router).all()]
                routers_dict = {}
                point_map = [router.x, router.y]
                checklist = {"id": router.id}
                return router, router_ids, routers_dict, point_map, checklist
            """,
        ),
        Example(
            "a name that is bound to several kinds is not judged",
            """
            def load(session, wanted):
                found_list = {}
                found_list = list(session.query(Router).all())
                return found_list
            """,
        ),
        Example(
            "two names",
            """
            def sync(session, labels):
                everything = None
                for label in labels:
                    if label.shared:
                        if not everything:
                            everything = load_all(session)
                        rows = everything
                    else:
                        rows = load_for(session, label.id)
                    send(label, rows)
            """,
        ),
        Example(
            "every round starts afresh",
            """
            def sync(session, labels):
                for label in labels:
                    rows = None
                    if label.shared:
                        if not rows:
                            rows = load_all(session)
                    else:
                        rows = load_for(session, label.id)
                    send(label, rows)
            """,
        ),
        Example(
            "filled once, for all",
            """
            def sync(session, labels):
                rows = None
                for label in labels:
                    if not rows:
                        rows = load_all(session)
                    send(label, rows)
            """,
        ),
        Example(
            "a default for an element that gave nothing",
            """
            def sync(session, labels):
                for label in labels:
                    if label.shared:
                        rows = load_for(session, label.id)
                        if not rows:
                            rows = load_all(session)
                    else:
                        rows = load_for(session, label.project_id)
                    send(label, rows)
            """,
        ),
    ),
    known_gaps=(
        "names that say a kind by other words than dict, map, list, set, ids or their class",
        "a value kept in an attribute or a dict is not followed",
    ),
)
