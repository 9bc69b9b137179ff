"""Workloads on Neutron's local IP plug-in: associations of a local address with a server's port.

The plug-in is made when one of these scenarios is prepared first: it listens to what happens to
ports, which would add its statements to other scenarios of the process.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from auditor.backends.database import ScratchDatabase
from auditor.growth.scenario import scenario
from auditor_openstack import neutron, seed
from auditor_openstack.neutron import Neutron
from auditor_openstack.seed import Port, Rows, identity

Call = Callable[[], Any]

_PLUGIN = "neutron.services.local_ip.local_ip_plugin:LocalIPPlugin"
_FEW = (1, 2, 4)
_GONE = "neutron_lib.exceptions.local_ip.LocalIPAssociationNotFound"
_NETWORK = "private"
_NEW = "new server"


@dataclass(frozen=True, slots=True)
class LocalIPs:
    """Neutron, and its local IP plug-in."""

    neutron: Neutron
    plugin: Any


def prepare(database: ScratchDatabase) -> LocalIPs:
    """Neutron with the local IP plug-in on an empty scratch database. Raises ScenarioError."""
    return LocalIPs(neutron.prepare(database), _plugin())


@cache
def _plugin() -> Any:
    return importlib.import_module("neutron.services.local_ip.local_ip_plugin").LocalIPPlugin()


def _seed(booted: Neutron, associations: int) -> None:
    """One local IP, so many servers associated with it, and one that is not."""
    held = Port("local", 0, _NETWORK, "10.0.2.1", "network:local_ip")
    servers = [
        Port("server", number, _NETWORK, f"10.0.1.{number + 1}", "compute:nova", host="compute-1")
        for number in range(associations)
    ]
    new = Port(_NEW, 0, _NETWORK, "10.0.3.1", "compute:nova", host="compute-1")
    seed.write(
        booted,
        seed.networks([_NETWORK]),
        seed.ports([held, *servers, new]),
        _local_ip(held, servers),
    )
    booted.use()


def _local_ip(held: Port, servers: list[Port]) -> Rows:
    return {
        "local_ips": [
            {
                "id": identity("local ip"),
                "project_id": seed.ADMIN_PROJECT,
                "name": "local",
                "local_port_id": held.id,
                "network_id": identity(f"network {_NETWORK}"),
                "local_ip_address": held.address,
                "ip_mode": "translate",
            }
        ],
        "local_ip_associations": [
            {
                "local_ip_id": identity("local ip"),
                "fixed_port_id": server.id,
                "fixed_ip": server.address,
            }
            for server in servers
        ],
    }


def _wanted() -> dict[str, dict[str, object]]:
    return {"port_association": {"fixed_port_id": identity(f"{_NEW} port"), "fixed_ip": None}}


@scenario(
    name="neutron.local_ip_association_create",
    target=f"{_PLUGIN}.create_local_ip_port_association",
    sizes={"associations": _FEW},
    prepare=prepare,
)
def local_ip_association_create(subject: LocalIPs, *, associations: int) -> Call:
    """Associates a server with a local IP that has `associations`, and tells the agents."""
    booted, plugin = subject.neutron, subject.plugin
    _seed(booted, associations)
    return lambda: plugin.create_local_ip_port_association(
        booted.context(), identity("local ip"), _wanted()
    )


@scenario(
    name="neutron.local_ip_association_create_retried",
    target=f"{_PLUGIN}.create_local_ip_port_association",
    sizes={"associations": _FEW},
    prepare=prepare,
)
def local_ip_association_create_retried(subject: LocalIPs, *, associations: int) -> Call:
    """As `neutron.local_ip_association_create`, under the retry that Neutron's API puts around it.

    The local IP has `associations` before.
    """
    booted, plugin = subject.neutron, subject.plugin
    _seed(booted, associations)
    create = booted.retried(plugin.create_local_ip_port_association)
    return lambda: create(booted.context(), identity("local ip"), _wanted())


@scenario(
    name="neutron.local_ip_association_delete",
    target=f"{_PLUGIN}.delete_local_ip_port_association",
    sizes={"associations": _FEW},
    prepare=prepare,
    declared=[_GONE],
)
def local_ip_association_delete(subject: LocalIPs, *, associations: int) -> Call:
    """Takes one of `associations` servers away from a local IP, and tells the agents."""
    booted, plugin = subject.neutron, subject.plugin
    _seed(booted, associations)
    return lambda: plugin.delete_local_ip_port_association(
        booted.context(), identity("server port"), identity("local ip")
    )


@scenario(
    name="neutron.local_ip_associations",
    target=f"{_PLUGIN}.get_local_ip_port_associations",
    sizes={"associations": _FEW},
    prepare=prepare,
)
def local_ip_associations(subject: LocalIPs, *, associations: int) -> Call:
    """The API's list of a local IP's `associations`."""
    booted, plugin = subject.neutron, subject.plugin
    _seed(booted, associations)
    return lambda: plugin.get_local_ip_port_associations(
        booted.context(), identity("local ip"), filters={}, sorts=[("id", True)]
    )
