"""Rows for Neutron's tables: built as plain values, then written with one statement a table.

    Rows   (("networks", ({"id": ..., "name": ...}, ...)), ("subnets", ...), ...)

Identifiers are the same in each run. Neutron reads labels and routers without ORDER BY, so what a
program does can depend on the order in which a server returns them. All three servers return
these rows in the order in which they stand here: SQLite and PostgreSQL by place, as they were
inserted (see `neutron._keep_heap_order`), MariaDB by primary key, and `identity` begins with the
row's number. Rows of one table must therefore be numbered in ascending order.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from auditor_openstack.neutron import Neutron

Row = Mapping[str, object]
Rows = Mapping[str, Sequence[Row]]
"""Rows by table name."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "auditor.example.org")
_STANDARD = "standardattributes"
_STANDARD_KEY = "standard_attr_id"
ADMIN_PROJECT = uuid.uuid5(_NAMESPACE, "admin project").hex
PUBLIC_NETWORK = "public"


def identity(name: str, number: int = 0) -> str:
    """A UUID that depends on `name` and `number` only and sorts by `number`."""
    return f"{number:08x}" + str(uuid.uuid5(_NAMESPACE, f"{name} {number}"))[8:]


def project(number: int) -> str:
    """The id of a project that owns the labels and routers of that number."""
    return uuid.uuid5(_NAMESPACE, f"project {number}").hex


def write(neutron: Neutron, *parts: Rows) -> None:
    """Insert the rows of all parts, parents before children.

    Rows of resources with standard attributes get theirs first: Neutron's models want one each.
    """
    wanted = _merged(parts)
    with neutron.engine.begin() as connection:
        for table in neutron.metadata.sorted_tables:
            rows = wanted.get(table.name, [])
            if rows and _STANDARD_KEY in table.c:
                rows = _with_standard_attributes(neutron, connection, table.name, rows)
            if rows:
                connection.execute(table.insert(), rows)


def _merged(parts: Iterable[Rows]) -> dict[str, list[dict[str, object]]]:
    wanted: dict[str, list[dict[str, object]]] = {}
    for part in parts:
        for table, rows in part.items():
            wanted.setdefault(table, []).extend(dict(row) for row in rows)
    return wanted


def _with_standard_attributes(
    neutron: Neutron, connection: Any, resource_type: str, rows: list[dict[str, object]]
) -> list[dict[str, object]]:
    standard = neutron.metadata.tables[_STANDARD]
    insert = standard.insert().returning(standard.c.id, sort_by_parameter_order=True)
    made = connection.execute(insert, [{"resource_type": resource_type} for _ in rows])
    return [{**row, _STANDARD_KEY: key} for row, key in zip(rows, made.scalars(), strict=True)]


def metering_labels(*, private: int, shared: int, rules: int) -> Rows:
    """Private labels, each in a project of its own, then shared ones in the admin's project;
    each with so many rules."""
    total = private + shared
    return {
        "meteringlabels": [
            {
                "id": identity("label", number),
                "project_id": project(number) if number < private else ADMIN_PROJECT,
                "name": f"label-{number}",
                "description": "",
                "shared": number >= private,
            }
            for number in range(total)
        ],
        "meteringlabelrules": [
            {
                "id": identity("rule", label * rules + rule),
                "metering_label_id": identity("label", label),
                "direction": "ingress",
                "source_ip_prefix": f"10.{label}.{rule}.0/24",
                "excluded": False,
            }
            for label, rule in product(range(total), range(rules))
        ],
    }


def routers(*, projects: int, each: int, distributed: bool = False, ha: bool = False) -> Rows:
    """So many routers in each of the projects, up and running; without ports."""
    numbers = range(projects * each)
    return {
        "routers": [
            {
                "id": identity("router", number),
                "project_id": project(number // each),
                "name": f"router-{number}",
                "status": "ACTIVE",
                "admin_state_up": True,
                "enable_snat": True,
            }
            for number in numbers
        ],
        "router_extra_attributes": [
            {"router_id": identity("router", number), "distributed": distributed, "ha": ha}
            for number in numbers
        ],
    }


@dataclass(frozen=True, slots=True)
class Port:
    """A port with one address. `role` names its kind of use and `number` tells it from others;
    `router` is the number of the router that it belongs to, None for any other device."""

    role: str
    number: int
    network: str
    address: str
    owner: str
    device: str = ""
    router: int | None = None
    host: str = ""

    @property
    def id(self) -> str:
        return identity(f"{self.role} port", self.number)


def networks(names: Sequence[str], *, external: Sequence[str] = ()) -> Rows:
    """Networks with one subnet each: the network of number n is 10.n.0.0/16."""
    numbered = list(enumerate(names))
    return {
        "networks": [
            {
                "id": identity(f"network {name}"),
                "project_id": ADMIN_PROJECT,
                "name": name,
                "status": "ACTIVE",
                "admin_state_up": True,
                "mtu": 1450,
            }
            for _, name in numbered
        ],
        "subnets": [
            {
                "id": identity(f"subnet {name}"),
                "project_id": ADMIN_PROJECT,
                "network_id": identity(f"network {name}"),
                "name": name,
                "ip_version": 4,
                "cidr": f"10.{number}.0.0/16",
                "gateway_ip": f"10.{number}.0.1",
                "enable_dhcp": True,
            }
            for number, name in numbered
        ],
        "externalnetworks": [
            {"network_id": identity(f"network {name}"), "is_default": False} for name in external
        ],
    }


def ports(wanted: Sequence[Port]) -> Rows:
    """Rows of ports, their addresses, their bindings, and the ports' places on routers."""
    return {
        "ports": [
            {
                "id": port.id,
                "project_id": ADMIN_PROJECT,
                "name": "",
                "network_id": identity(f"network {port.network}"),
                "mac_address": _mac(number),
                "admin_state_up": True,
                "status": "ACTIVE",
                "device_id": _device(port),
                "device_owner": port.owner,
            }
            for number, port in enumerate(wanted)
        ],
        "ipallocations": [
            {
                "port_id": port.id,
                "ip_address": port.address,
                "subnet_id": identity(f"subnet {port.network}"),
                "network_id": identity(f"network {port.network}"),
            }
            for port in wanted
        ],
        "ml2_port_bindings": [
            {"port_id": port.id, "host": port.host, "vif_type": "ovs"} for port in wanted
        ],
        "routerports": [
            {
                "router_id": identity("router", port.router),
                "port_id": port.id,
                "port_type": port.owner,
            }
            for port in wanted
            if port.router is not None
        ],
    }


def _device(port: Port) -> str:
    return port.device if port.router is None else identity("router", port.router)


def _mac(number: int) -> str:
    return "fa:16:3e:" + ":".join(f"{byte:02x}" for byte in number.to_bytes(3, "big"))
