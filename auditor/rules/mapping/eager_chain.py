"""DBA502: a mapped class whose eager relationships make every load of it a large one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from auditor.model.evidence import SchemaFact
from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnModule, Rule
from auditor.rules.mapping.keys import tables_of
from auditor.rules.places import span_of
from auditor.rules.queries.relations import is_many
from auditor.source.facts import At, ModuleFacts
from auditor.source.models import Model
from auditor.source.project import Project

_JOINED = frozenset(("joined", "False"))
_QUERIED = frozenset(("selectin", "subquery", "immediate"))
_STATEMENTS = 4
_TABLES = 6
_DEPTH = 8
_MOST = 500
"""Relationships counted at most; a graph in which everything is eager has no end."""


class Cost(NamedTuple):
    """What one load of a class costs: statements, tables in the first of them, and the collections
    among these, whose rows multiply."""

    statements: int
    tables: int
    collections: tuple[str, ...]


def check(project: Project, module: ModuleFacts) -> Hits:
    """Classes that load with many statements or tables, or a product of collections."""
    for model in tables_of(project, module):
        cost = cost_of(project, model)
        product = len(cost.collections) > 1
        if cost.statements < _STATEMENTS and cost.tables < _TABLES and not product:
            continue
        last = model.dotted.rpartition(".")[2]
        tables = f"{cost.tables} tables" if cost.tables > 1 else "one table"
        plural = "s" if cost.statements > 1 else ""
        fields = {
            "model": last,
            "cost": f"{cost.statements} statement{plural}, the first over {tables}",
            "product": (
                f"; {' and '.join(f'`{name}`' for name in cost.collections)} multiply its rows"
                if product
                else ""
            ),
        }
        at = project.program.classes[model.dotted].facts.at
        at = At(at.line, at.column, at.line, at.column)
        fact = SchemaFact(model.table, f"one load is {fields['cost']}")
        yield Hit(span_of(module, at), last, fields, (fact,))


def cost_of(project: Project, model: Model) -> Cost:
    """The cost of loading rows of a model without any option, as far as its relationships and those
    they lead to are read."""
    statements, tables = 1, 1
    collections: list[str] = []
    for steps, joined, many in itertools.islice(_eager(project, model, (), _DEPTH), _MOST):
        if joined:
            tables += 1
            if many:
                collections.append(".".join(steps))
        else:
            statements += 1
    return Cost(statements, tables, tuple(collections))


def _eager(
    project: Project, model: Model, before: tuple[str, ...], depth: int
) -> Iterator[tuple[tuple[str, ...], bool, bool]]:
    """Each relationship that a load follows by itself: its steps, whether it joins the statement of
    the row it hangs on all the way, and whether it gives many rows. A class met before on the way
    is not loaded again, as in SQLAlchemy."""
    if depth == 0:
        return
    for name, relation in model.relationships.items():
        joined = relation.lazy in _JOINED
        if not joined and relation.lazy not in _QUERIED:
            continue
        if relation.target in before or relation.target == model.dotted:
            continue
        yield (name,), joined, bool(is_many(project.models, model, relation))
        target = project.models.by_name.get(relation.target)
        if target is None:
            continue
        for steps, inner, many in _eager(project, target, (*before, model.dotted), depth - 1):
            if inner and not joined:
                continue  # joined to a statement of its own, not to the first
            yield (name, *steps), inner, many


_MODELS = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Address(Base):
                __tablename__ = "addresses"
                id = sa.Column(sa.Integer, primary_key=True)
                port_id = sa.Column(sa.ForeignKey("ports.id"))

            class Option(Base):
                __tablename__ = "options"
                id = sa.Column(sa.Integer, primary_key=True)
                port_id = sa.Column(sa.ForeignKey("ports.id"))

            class Binding(Base):
                __tablename__ = "bindings"
                id = sa.Column(sa.Integer, primary_key=True)
                port_id = sa.Column(sa.ForeignKey("ports.id"))
"""
RULE = Rule(
    code="DBA502",
    name="eager-chain",
    since="0.1.0",
    severity=Severity.NOTE,
    confidence=Confidence.MEDIUM,
    message="a load of `{model}` costs about {cost}{product}, whether the caller reads it or not",
    why=(
        "Eager loading in the mapping holds for every query: the one that wants a name pays for all"
        " relations, and the relations of these. Collections joined side by side give a row for"
        " each combination."
    ),
    instead="lazy relationships in the mapping (`lazy='raise'` finds the readers), and the option"
    " that a query needs where the query is written.",
    checks=(OnModule(check),),
    bad=(
        Example(
            "collections joined side by side",
            _MODELS
            + """
            class Port(Base):  # expect: DBA502
                __tablename__ = "ports"
                id = sa.Column(sa.Integer, primary_key=True)
                addresses = orm.relationship(Address, lazy="joined")
                options = orm.relationship(Option, lazy="joined")
            """,
        ),
        Example(
            "a statement for each relation",
            _MODELS
            + """
            class Port(Base):  # expect: DBA502
                __tablename__ = "ports"
                id = sa.Column(sa.Integer, primary_key=True)
                addresses = orm.relationship(Address, lazy="selectin")
                options = orm.relationship(Option, lazy="subquery")
                bindings = orm.relationship(Binding, lazy="selectin")
            """,
        ),
        Example(
            "a chain over several classes",
            _MODELS
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.Integer, primary_key=True)
                network_id = sa.Column(sa.ForeignKey("networks.id"))
                addresses = orm.relationship(Address, lazy="selectin")
                options = orm.relationship(Option, lazy="selectin")

            class Network(Base):  # expect: DBA502
                __tablename__ = "networks"
                id = sa.Column(sa.Integer, primary_key=True)
                ports = orm.relationship(Port, lazy="selectin")
            """,
        ),
    ),
    good=(
        Example(
            "lazy",
            _MODELS
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.Integer, primary_key=True)
                addresses = orm.relationship(Address)
                options = orm.relationship(Option)
                bindings = orm.relationship(Binding)
            """,
        ),
        Example(
            "one collection joined",
            _MODELS
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.Integer, primary_key=True)
                addresses = orm.relationship(Address, lazy="joined")
            """,
        ),
        Example(
            "one collection joined, one by a statement of its own",
            _MODELS
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.Integer, primary_key=True)
                addresses = orm.relationship(Address, lazy="joined")
                options = orm.relationship(Option, lazy="selectin")
            """,
        ),
        Example(
            "single rows joined",
            _MODELS
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.Integer, primary_key=True)
                address = orm.relationship(Address, lazy="joined", uselist=False)
                option = orm.relationship(Option, lazy="joined", uselist=False)
            """,
        ),
    ),
    known_gaps=(
        "of classes that are not read (a library's) no further relationships are counted",
        "a statement for a collection is not sent when no row is loaded",
        "options of queries and `enable_eagerloads(False)` change the cost, and are not counted",
    ),
    sources=("https://docs.sqlalchemy.org/en/20/orm/queryguide/relationships.html",),
)
