"""DBA507: two relationships over one foreign key that do not know of each other."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnModule, Rule
from auditor.rules.mapping.keys import tables_of
from auditor.rules.places import span_of
from auditor.source.facts import Call, ModuleFacts
from auditor.source.models import Model, Relationship
from auditor.source.project import Project

_AWARE = ("back_populates", "backref", "viewonly", "overlaps", "primaryjoin", "secondary",
          "foreign_keys", "sync_backref")  # fmt: skip
"""Arguments with which a relationship is tied to its other side, or is no plain one."""


def check(project: Project, module: ModuleFacts) -> Hits:
    """The later of two plain relationships that are the two sides of one foreign key."""
    models = project.models.by_name
    for model in tables_of(project, module):
        for relation in model.relationships.values():
            other = models.get(relation.target)
            if other is None or other is model or not _is_plain(relation):
                continue
            if len(_keys(model, other)) + len(_keys(other, model)) != 1:
                continue
            back = [r for r in other.relationships.values() if _leads(r, model)]
            if len(back) != 1 or not _is_plain(back[0]) or not _is_reported(relation, back[0]):
                continue
            bound = relation.bound
            if bound is not None and bound.scope.module is module:
                fields = {
                    "relation": f"{_last(model)}.{relation.name}",
                    "other": f"{_last(other)}.{back[0].name}",
                }
                yield Hit(span_of(module, bound.bind.at), _last(model), fields)


def _is_plain(relation: Relationship) -> bool:
    call = relation.bound.bind.value if relation.bound is not None else None
    return isinstance(call, Call) and not any(k.name in _AWARE or not k.name for k in call.keywords)


def _leads(relation: Relationship, model: Model) -> bool:
    return relation.target == model.dotted


def _keys(one: Model, other: Model) -> list[str]:
    """The foreign keys of one table to the other."""
    last = _last(other)
    steps = [(key.column, key.target.split(".")[:-1]) for key in one.foreign_keys]
    return [column for column, target in steps if other.table in target or last in target]


def _last(model: Model) -> str:
    return model.dotted.rpartition(".")[2]


def _is_reported(relation: Relationship, back: Relationship) -> bool:
    """Whether this one of the two is written later."""
    if relation.bound is None or back.bound is None:
        return False
    mine, other = relation.bound, back.bound
    return (mine.scope.module.path, mine.bind.at.line) > (
        other.scope.module.path,
        other.bind.at.line,
    )


_BASE = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()
"""
RULE = Rule(
    code="DBA507",
    name="relationship-without-back-populates",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    message="`{relation}` and `{other}` are the two sides of one foreign key and do not know of"
    " each other",
    why=(
        "What is appended to one side does not appear on the other until both are loaded anew,"
        " both sides write the same column when the session is flushed, and SQLAlchemy warns that"
        " the one"
        " will copy a column that conflicts with the other."
    ),
    instead="`back_populates=` on both, naming each other; `viewonly=True` on one that only reads.",
    checks=(OnModule(check),),
    bad=(
        Example(
            "neither side names the other",
            _BASE
            + """
            class Label(Base):
                __tablename__ = "labels"
                id = sa.Column(sa.Integer, primary_key=True)
                rules = orm.relationship("Rule")

            class Rule(Base):
                __tablename__ = "rules"
                id = sa.Column(sa.Integer, primary_key=True)
                label_id = sa.Column(sa.ForeignKey("labels.id"))
                label = orm.relationship(Label)  # expect: DBA507
            """,
        ),
        Example(
            "with other arguments",
            _BASE
            + """
            class Rule(Base):
                __tablename__ = "rules"
                id = sa.Column(sa.Integer, primary_key=True)
                label_id = sa.Column(sa.ForeignKey("labels.id"))
                label = orm.relationship("Label", lazy="joined")

            class Label(Base):
                __tablename__ = "labels"
                id = sa.Column(sa.Integer, primary_key=True)
                rules = orm.relationship(  # expect: DBA507
                    Rule, cascade="all, delete-orphan"
                )
            """,
        ),
        Example(
            "annotated",
            """
            from sqlalchemy import ForeignKey
            from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

            class Base(DeclarativeBase):
                pass

            class Label(Base):
                __tablename__ = "labels"
                id: Mapped[int] = mapped_column(primary_key=True)
                rules: Mapped[list["Rule"]] = relationship()

            class Rule(Base):
                __tablename__ = "rules"
                id: Mapped[int] = mapped_column(primary_key=True)
                label_id: Mapped[int] = mapped_column(ForeignKey("labels.id"))
                label: Mapped["Label"] = relationship()  # expect: DBA507
            """,
        ),
    ),
    good=(
        Example(
            "back_populates",
            _BASE
            + """
            class Label(Base):
                __tablename__ = "labels"
                id = sa.Column(sa.Integer, primary_key=True)
                rules = orm.relationship("Rule", back_populates="label")

            class Rule(Base):
                __tablename__ = "rules"
                id = sa.Column(sa.Integer, primary_key=True)
                label_id = sa.Column(sa.ForeignKey("labels.id"))
                label = orm.relationship(Label, back_populates="rules")
            """,
        ),
        Example(
            "one side only",
            _BASE
            + """
            class Label(Base):
                __tablename__ = "labels"
                id = sa.Column(sa.Integer, primary_key=True)

            class Rule(Base):
                __tablename__ = "rules"
                id = sa.Column(sa.Integer, primary_key=True)
                label_id = sa.Column(sa.ForeignKey("labels.id"))
                label = orm.relationship(Label)
            """,
        ),
        Example(
            "one side only reads",
            _BASE
            + """
            class Label(Base):
                __tablename__ = "labels"
                id = sa.Column(sa.Integer, primary_key=True)
                rules = orm.relationship("Rule", viewonly=True)

            class Rule(Base):
                __tablename__ = "rules"
                id = sa.Column(sa.Integer, primary_key=True)
                label_id = sa.Column(sa.ForeignKey("labels.id"))
                label = orm.relationship(Label)
            """,
        ),
        Example(
            "two foreign keys, told apart",
            _BASE
            + """
            class Label(Base):
                __tablename__ = "labels"
                id = sa.Column(sa.Integer, primary_key=True)
                rule_id = sa.Column(sa.ForeignKey("rules.id"))
                rule = orm.relationship("Rule", foreign_keys=[rule_id])

            class Rule(Base):
                __tablename__ = "rules"
                id = sa.Column(sa.Integer, primary_key=True)
                label_id = sa.Column(sa.ForeignKey("labels.id"))
                label = orm.relationship(Label, foreign_keys=[label_id])
            """,
        ),
    ),
    known_gaps=("relationships with a condition or a table between are not looked at",),
    sources=("https://docs.sqlalchemy.org/en/20/orm/relationship_api.html",),
)
