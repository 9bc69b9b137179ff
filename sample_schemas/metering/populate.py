"""Fills an empty database to given sizes; equal sizes give equal rows, to the byte.

For `labels=2, routers=3, rules=4`: two projects, each with one label of 4 rules, 3 routers that are
up and one that is down; and one shared label with 4 rules, in a project of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from metering import facade, models

_NAMESPACE = uuid.UUID("6f0b2f43-5c53-4a57-9b8e-6d1f5f0d3c11")

Row = dict[str, Any]


def fixed_id(name: str) -> str:
    """An id in the form of a random one that is the same in every run."""
    return str(uuid.uuid5(_NAMESPACE, name))


def fill(context: facade.Context, labels: int, routers: int, rules: int) -> None:
    """Insert `labels` private labels, each with its own project, and one shared label.

    `routers` counts the routers of each project that are up, `rules` the rules of each label.
    """
    with facade.WRITER.using(context) as session:
        for model, rows in (
            (models.MeteringLabel, _label_rows(labels)),
            (models.MeteringLabelRule, _rule_rows(labels, rules)),
            (models.Port, _port_rows(labels, routers)),
            (models.Router, _router_rows(labels, routers)),
            (models.RouterPort, _router_port_rows(labels, routers)),
            (models.RouterExtraAttributes, _extra_attribute_rows(labels, routers)),
            (models.RouterRoute, _route_rows(labels, routers)),
        ):
            new = list(rows)
            if new:
                session.execute(sa.insert(model.__table__), new)


def project_id(project: int) -> str:
    """The id of a project, counted from 0."""
    return fixed_id(f"project {project}")


def label_id(label: int) -> str:
    """The id of a private label, counted from 0; the shared label follows the last private one."""
    return fixed_id(f"label {label}")


def _label_rows(labels: int) -> Iterator[Row]:
    for label in range(labels):
        yield {
            "id": label_id(label),
            "project_id": project_id(label),
            "name": f"label-{label:04}",
            "shared": False,
        }
    yield {
        "id": label_id(labels),
        "project_id": fixed_id("project of the operator"),
        "name": "shared-by-the-operator",
        "shared": True,
    }


def _rule_rows(labels: int, rules: int) -> Iterator[Row]:
    for label in range(labels + 1):
        for rule in range(rules):
            yield {
                "id": fixed_id(f"rule {label} {rule}"),
                "metering_label_id": label_id(label),
                "direction": "ingress" if rule % 2 else "egress",
                "remote_ip_prefix": f"10.{label % 256}.{rule % 256}.0/24",
                "excluded": False,
            }


def _places(labels: int, routers: int) -> Iterator[tuple[int, int, str]]:
    """Every router as (project, number in it, id); the last of a project is the one down."""
    for project in range(labels):
        for router in range(routers + 1):
            yield project, router, fixed_id(f"router {project} {router}")


def _port_rows(labels: int, routers: int) -> Iterator[Row]:
    for project, router, router_id in _places(labels, routers):
        yield {
            "id": fixed_id(f"port of {router_id}"),
            "project_id": project_id(project),
            "mac_address": f"fa:16:3e:{project % 256:02x}:{router % 256:02x}:01",
            "admin_state_up": True,
        }


def _router_rows(labels: int, routers: int) -> Iterator[Row]:
    for project, router, router_id in _places(labels, routers):
        yield {
            "id": router_id,
            "project_id": project_id(project),
            "name": f"router-{project:04}-{router:04}",
            "status": "ACTIVE",
            "admin_state_up": router < routers,
            "gw_port_id": None,
        }


def _router_port_rows(labels: int, routers: int) -> Iterator[Row]:
    for _, _, router_id in _places(labels, routers):
        yield {
            "router_id": router_id,
            "port_id": fixed_id(f"port of {router_id}"),
            "port_type": "network:router_interface",
        }


def _extra_attribute_rows(labels: int, routers: int) -> Iterator[Row]:
    for _, router, router_id in _places(labels, routers):
        yield {"router_id": router_id, "distributed": router % 2 == 0, "ha": False}


def _route_rows(labels: int, routers: int) -> Iterator[Row]:
    for _, _, router_id in _places(labels, routers):
        yield {"router_id": router_id, "destination": "192.0.2.0/24", "nexthop": "198.51.100.1"}
