from __future__ import annotations

import textwrap

from auditor import knowledge
from auditor.model.knowledge import Table, WrapperRow, merged
from auditor.source.models import ForeignKey, Models
from auditor.source.parse import parse_module
from auditor.source.project import link


def models_in(**sources: str) -> Models:
    wrapper = WrapperRow("db_model", "db_obj", "https://example.org")
    known = merged((*knowledge.TABLES, Table("wrappers", (wrapper,))))
    modules = [
        parse_module(f"{name}.py", name, textwrap.dedent(source).encode())
        for name, source in sources.items()
    ]
    return link(modules, known).models


OLD = """
import sqlalchemy as sa
from sqlalchemy import orm

class HasId:
    id = sa.Column(sa.String(36), primary_key=True)

class Label(Base, HasId):
    __tablename__ = "labels"
    __table_args__ = (sa.UniqueConstraint("project_id", "name", name="uniq_labels0"),)
    project_id = sa.Column(sa.String(255))
    name = sa.Column(sa.String(255), unique=True)
    title = "no column"

class Rule(Base, HasId):
    __tablename__ = "rules"
    label_id = sa.Column(sa.String(36), sa.ForeignKey("labels.id", ondelete="CASCADE"))
    label = orm.relationship(Label, lazy="joined", backref=orm.backref("rules", lazy="selectin"))
    owner = orm.relationship("Owner", uselist=False)

class Owner(Base, HasId):
    __tablename__ = "owners"
    notes = orm.relationship("Note", backref="owner")
    files = orm.relationship("File", lazy="dynamic")
"""


def test_an_old_declarative_class_has_its_own_and_inherited_parts() -> None:
    label = models_in(app=OLD).by_name["app.Label"]
    assert (label.table, sorted(label.columns)) == ("labels", ["id", "name", "project_id"])
    assert label.uniques == (("id",), ("name",), ("project_id", "name"))
    rule = models_in(app=OLD).by_name["app.Rule"]
    assert rule.foreign_keys == (ForeignKey("label_id", "labels.id", "CASCADE"),)


def test_relationships_know_target_and_strategy_backrefs_included() -> None:
    models = models_in(app=OLD)
    found = {
        f"{name.removeprefix('app.')}.{r.name}": (r.target, r.lazy, r.is_lazy, r.many)
        for name, model in models.by_name.items()
        for r in model.relationships.values()
    }
    assert found == {
        "Rule.label": ("app.Label", "joined", False, None),
        "Rule.owner": ("app.Owner", "select", True, False),
        "Label.rules": ("app.Rule", "selectin", False, None),
        "Owner.notes": ("", "select", True, None),
        "Owner.files": ("", "dynamic", False, None),
    }


def test_mapped_annotations_are_columns_and_relationships() -> None:
    models = models_in(
        app="""
        from typing import List, Optional
        from sqlalchemy import ForeignKey
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

        class Base(DeclarativeBase):
            pass

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[Optional[str]]
            pets: Mapped[List["Pet"]] = relationship(lazy="selectin")

        class Pet(Base):
            __tablename__ = "pets"
            id: Mapped[int] = mapped_column(primary_key=True)
            user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
            user: Mapped["User"] = relationship()
        """
    )
    user, pet = models.by_name["app.User"], models.by_name["app.Pet"]
    assert sorted(user.columns) == ["id", "name"]
    assert sorted(pet.columns) == ["id", "user_id"]
    pets, owner = user.relationships["pets"], pet.relationships["user"]
    assert (pets.target, pets.lazy, pets.many) == ("app.Pet", "selectin", True)
    assert (owner.target, owner.lazy) == ("app.User", "select")


def test_a_wrapping_class_leads_to_the_class_it_wraps() -> None:
    models = models_in(
        app=OLD,
        objects="import app\nclass Label:\n    db_model = app.Label\nclass More(Label): pass",
    )
    assert models.model_of("objects.More") is models.by_name["app.Label"]


def test_columns_of_something_else_are_no_model() -> None:
    models = models_in(app="from rich.table import Column\nclass View:\n    name = Column('x')")
    assert models.by_name == {}


DECLARED = """
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import declared_attr

class Network(Base):
    __tablename__ = "networks"
    id = sa.Column(sa.Integer, primary_key=True)

class OfNetwork:
    @declared_attr
    def network_id(cls):
        return sa.Column(sa.ForeignKey("networks.id", ondelete="CASCADE"))

    @orm.declared_attr.directive
    def __tablename__(cls):
        return cls.__name__.lower()

    @declared_attr
    def network(cls):
        return orm.relationship("Network", lazy="joined")

    @property
    def other(self):
        return sa.Column(sa.ForeignKey("others.id"))

class Port(Base, OfNetwork):
    __tablename__ = "ports"
    __table_args__ = (
        sa.ForeignKeyConstraint(["host", "slot"], ["slots.host", Slot.number], ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(columns=["zone"], refcolumns=["zones.id"]),
    )
    host = sa.Column(sa.Text)
    slot = sa.Column(sa.Integer)
    zone = sa.Column(sa.Integer)
"""


def test_what_declared_attr_returns_and_keys_of_several_columns_are_parts_of_a_model() -> None:
    port = models_in(app=DECLARED).by_name["app.Port"]
    assert (port.table, sorted(port.columns)) == ("ports", ["host", "network_id", "slot", "zone"])
    assert port.foreign_keys == (
        ForeignKey("network_id", "networks.id", "CASCADE"),
        ForeignKey("host", "slots.host", "RESTRICT"),
        ForeignKey("slot", "Slot.number", "RESTRICT"),
        ForeignKey("zone", "zones.id", ""),
    )
    network = port.relationships["network"]
    assert (network.target, network.lazy) == ("app.Network", "joined")
