"""Models in the shape of a network service's: routers with child tables, and what meters them.

    MeteringLabel  1 --- n  MeteringLabelRule
         |
         | same project_id (no foreign key: a label meters all routers of its project)
         |
    Router  1 --- 1  RouterExtraAttributes
            1 --- n  RouterPort  n --- 1  Port
            1 --- n  RouterRoute

A label with `shared` set meters the routers of every project.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import orm

Base = orm.declarative_base()


class Port(Base):
    """A port of a network; a router may hold it."""

    __tablename__ = "ports"

    id = sa.Column(sa.String(36), primary_key=True)
    project_id = sa.Column(sa.String(255), index=True)
    mac_address = sa.Column(sa.String(32), nullable=False)
    admin_state_up = sa.Column(sa.Boolean, nullable=False, default=True)


class RouterPort(Base):
    """An interface of a router. It has two foreign keys: either may be the one that fails."""

    __tablename__ = "routerports"

    router_id = sa.Column(
        sa.String(36), sa.ForeignKey("routers.id", ondelete="CASCADE"), primary_key=True
    )
    port_id = sa.Column(
        sa.String(36), sa.ForeignKey("ports.id", ondelete="CASCADE"), primary_key=True, unique=True
    )
    port_type = sa.Column(sa.String(255))
    port = orm.relationship(Port, lazy="joined")


class RouterRoute(Base):
    """A static route of a router."""

    __tablename__ = "routerroutes"

    router_id = sa.Column(
        sa.String(36), sa.ForeignKey("routers.id", ondelete="CASCADE"), primary_key=True
    )
    destination = sa.Column(sa.String(64), primary_key=True)
    nexthop = sa.Column(sa.String(64), primary_key=True)


class RouterExtraAttributes(Base):
    """What only some routers need, one row for each router."""

    __tablename__ = "router_extra_attributes"

    router_id = sa.Column(
        sa.String(36), sa.ForeignKey("routers.id", ondelete="CASCADE"), primary_key=True
    )
    distributed = sa.Column(sa.Boolean, nullable=False, default=False)
    ha = sa.Column(sa.Boolean, nullable=False, default=False)


class Router(Base):
    """A router of a project. Ports and routes come along in batches; extra attributes do not."""

    __tablename__ = "routers"

    id = sa.Column(sa.String(36), primary_key=True)
    project_id = sa.Column(sa.String(255), index=True)
    name = sa.Column(sa.String(255))
    status = sa.Column(sa.String(16))
    admin_state_up = sa.Column(sa.Boolean, nullable=False, default=True)
    gw_port_id = sa.Column(sa.String(36), sa.ForeignKey("ports.id"), index=True)
    attached_ports = orm.relationship(RouterPort, lazy="selectin", cascade="all, delete-orphan")
    routes = orm.relationship(RouterRoute, lazy="selectin", cascade="all, delete-orphan")
    extra_attributes = orm.relationship(
        RouterExtraAttributes, lazy="select", uselist=False, cascade="all, delete-orphan"
    )


class MeteringLabelRule(Base):
    """Which traffic a label counts."""

    __tablename__ = "meteringlabelrules"

    id = sa.Column(sa.String(36), primary_key=True)
    metering_label_id = sa.Column(
        sa.String(36),
        sa.ForeignKey("meteringlabels.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    )
    direction = sa.Column(sa.Enum("ingress", "egress", name="meteringlabels_direction"))
    remote_ip_prefix = sa.Column(sa.String(64))
    excluded = sa.Column(sa.Boolean, nullable=False, default=False)


class MeteringLabel(Base):
    """A name under which the traffic of routers is counted."""

    __tablename__ = "meteringlabels"
    __table_args__ = (
        sa.UniqueConstraint("project_id", "name", name="uniq_meteringlabels0project_id0name"),
    )

    id = sa.Column(sa.String(36), primary_key=True)
    project_id = sa.Column(sa.String(255), nullable=False)
    name = sa.Column(sa.String(255), nullable=False)
    shared = sa.Column(sa.Boolean, nullable=False, default=False)
    rules = orm.relationship(
        MeteringLabelRule,
        lazy="selectin",
        cascade="all, delete-orphan",
        order_by=MeteringLabelRule.id,
    )
    routers = orm.relationship(
        Router,
        primaryjoin=lambda: orm.foreign(Router.project_id) == MeteringLabel.project_id,
        lazy="select",
        viewonly=True,
        order_by=Router.id,
    )
