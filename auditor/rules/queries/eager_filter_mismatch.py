"""DBA312: a query filters by a relationship that an eager-load option joins a second time."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.rules.queries.chains import (
    STARTS,
    Chain,
    Option,
    chains_of,
    class_named,
    classes_in,
    options_of,
)
from auditor.rules.queries.relations import target_of
from auditor.source.facts import Attribute, Call, Const, FunctionFacts, ModuleFacts, walk
from auditor.source.program import last_step
from auditor.source.project import Project

_JOINS = ("join", "outerjoin")
_SUBQUERIES = frozenset(("has", "any", "exists", "select", "subquery", "query"))
_CONDITIONS = ("filter", "where", "order_by", "having")


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """`joinedload()` of a relationship whose class the same query filters or sorts by."""
    for chain in chains_of(function):
        for option in options_of(project, module, function, chain):
            if option.how != "joinedload" or len(option.steps) != 1:
                continue
            owner = option.steps[0][0] or class_named(
                project, module, function, chain.start.args[0]
            )
            target, known = _target(project, owner, option.steps[0][1])
            if owner == target or not target:
                continue
            used = _use(project, module, function, chain, target=target, known=known)
            if used:
                yield _hit(project, module, function, chain, option=option, use=used)


def _target(project: Project, owner: str, name: str) -> tuple[str, bool]:
    """The class a relationship leads to; False when only the name of the relationship says so."""
    model = project.models.model_of(owner)
    if model is None:
        return name.rstrip("s").replace("_", "").lower(), False
    relation = model.relationships.get(name)
    return (target_of(project, relation), True) if relation else ("", True)


def _use(
    project: Project,
    module: ModuleFacts,
    function: FunctionFacts,
    chain: Chain,
    *,
    target: str,
    known: bool,
) -> str:
    """The condition on the target's own columns, as `Class.column`; empty if there is none."""
    conditions = (arg for link in chain.named(*_CONDITIONS) for arg in link.args)
    for arg in conditions:
        for name, column in classes_in(project, module, function, arg):
            last = name.rpartition(".")[2]
            if target in (name, last) if known else last.lower() == target:
                return f"{last}.{column}"
    return ""


def _hit(
    project: Project,
    module: ModuleFacts,
    function: FunctionFacts,
    chain: Chain,
    *,
    option: Option,
    use: str,
) -> Hit:
    name = option.steps[0][1]
    target = use.partition(".")[0]
    joined = any(_joins(link, name, target) for link in chain.named(*_JOINS))
    joined = joined or _is_tied(project, module, function, chain)
    fields = {
        "relation": name,
        "use": use,
        "effect": (
            "is joined twice, and what is loaded is not what is filtered"
            if joined
            else "is not what the condition looks at: its table is added to FROM once more"
        ),
    }
    confidence = Confidence.MEDIUM if chain.is_whole and not joined else None
    return Hit(span_of(module, option.call.at), function.qualname, fields, confidence=confidence)


def _is_tied(project: Project, module: ModuleFacts, function: FunctionFacts, chain: Chain) -> bool:
    """Whether something else than a join may tie the table to the query: a condition on columns of
    two classes, one inside a call (`has()`, `exists()`), a join or FROM that is not understood."""
    if chain.named(*_JOINS, "select_from", "from_statement", "join_from", "outerjoin_from"):
        return True
    conditions = (arg for link in chain.named(*_CONDITIONS) for arg in link.args)
    return any(
        len({name for name, _ in classes_in(project, module, function, arg)}) > 1
        or any(isinstance(part, Call) and last_step(part.func) in _SUBQUERIES for part in walk(arg))
        for arg in conditions
    )


def _joins(link: Call, relation: str, target: str) -> bool:
    return any(_names(arg) in {relation, target} for arg in link.args)


def _names(expr: object) -> str:
    if isinstance(expr, Const):
        return str(expr.value)
    return expr.name if isinstance(expr, Attribute) else str(getattr(expr, "name", ""))


_MODELS = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Agent(Base):
                __tablename__ = "agents"
                id = sa.Column(sa.Integer, primary_key=True)
                up = sa.Column(sa.Boolean)

            class Binding(Base):
                __tablename__ = "bindings"
                id = sa.Column(sa.Integer, primary_key=True)
                network_id = sa.Column(sa.String(36))
                agent_id = sa.Column(sa.ForeignKey("agents.id"))
                agent = orm.relationship(Agent)
"""
RULE = Rule(
    code="DBA312",
    name="eager-filter-mismatch",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.LOW,
    message="`joinedload()` of `{relation}` beside a condition on `{use}`: what the option loads"
    " {effect}",
    why=(
        "`joinedload()` joins the table under an alias of its own, which no condition can see."
        " Without an explicit join the condition adds the table a second time with nothing to tie"
        " it to the first, a product of both; with one, the work is done twice and a collection"
        " holds rows that the condition excludes."
    ),
    instead="`.join(Binding.agent).options(contains_eager(Binding.agent))`; if the whole collection"
    " is wanted beside the condition, `selectinload()` says so.",
    checks=(OnFunction(check, calls=STARTS),),
    bad=(
        Example(
            "no join at all",
            _MODELS
            + """
            def agents(session: orm.Session, network, up):
                query = session.query(Binding)
                query = query.options(orm.joinedload(Binding.agent))  # expect: DBA312
                if up is not None:
                    query = query.filter(Agent.up == up)
                return [binding.agent for binding in query]
            """,
        ),
        Example(
            "joined twice",
            _MODELS
            + """
            def agents(session: orm.Session):
                return session.scalars(
                    sa.select(Binding)
                    .join(Binding.agent)
                    .options(orm.joinedload(Binding.agent))  # expect: DBA312
                    .where(Agent.up)
                )
            """,
        ),
        Example(
            "named by a string",
            _MODELS
            + """
            def agents(session: orm.Session):
                query = session.query(Binding).options(orm.joinedload("agent"))  # expect: DBA312
                return query.join(Agent).order_by(Agent.id).all()
            """,
        ),
    ),
    good=(
        Example(
            "the join is what is loaded",
            _MODELS
            + """
            def agents(session: orm.Session):
                query = session.query(Binding).join(Binding.agent)
                return query.options(orm.contains_eager(Binding.agent)).filter(Agent.up).all()
            """,
        ),
        Example(
            "a condition on the class itself",
            _MODELS
            + """
            def agents(session: orm.Session, network):
                query = session.query(Binding).options(orm.joinedload(Binding.agent))
                return query.filter(Binding.network_id == network).all()
            """,
        ),
        Example(
            "the whole collection on purpose",
            _MODELS
            + """
            def agents(session: orm.Session):
                query = session.query(Binding).join(Agent).filter(Agent.up)
                return query.options(orm.selectinload(Binding.agent)).all()
            """,
        ),
        Example(
            "the condition is a query of its own",
            _MODELS
            + """
            def agents(session: orm.Session):
                query = session.query(Binding).options(orm.joinedload(Binding.agent))
                return query.filter(Binding.agent.has(Agent.up)).all()
            """,
        ),
    ),
    known_gaps=(
        "options of two steps and queries put together in several functions are not looked at",
        "where the model is not read, the relationship's name must be the name of the class",
        (
            "with a join, choosing parents by a child and loading all of their children is meant at"
            " times: low confidence; without any, the product is a defect: medium"
        ),
        "an alias (`aliased(Agent)`) in the condition is not followed",
    ),
    sources=(
        "https://docs.sqlalchemy.org/en/20/orm/queryguide/relationships.html#the-zen-of-joined-eager-loading",
    ),
)
