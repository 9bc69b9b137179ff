"""The ports around routers: gateways, interfaces, floating addresses, DVR and HA ports, agents.

    public 10.0.0.0/16 ── gateway ┐
                                  router ── interface ── net-<n> 10.<n+1>.0.0/16 ── server
    public ── floating address ───────────────────────────────────────────────────────┘

Each interface has a network of its own; the servers behind the floating addresses of a router are
all on the network of its first interface.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import product

from auditor_openstack.seed import (
    ADMIN_PROJECT,
    PUBLIC_NETWORK,
    Port,
    Rows,
    identity,
    networks,
    ports,
    routers,
)

HOST = "network-1"
_HA_NETWORK = "ha"
_LONG_AGO = datetime(2020, 1, 1, tzinfo=timezone.utc).replace(tzinfo=None)
"""Neutron keeps times without a zone, in UTC."""


@dataclass(frozen=True, slots=True)
class Topology:
    """How many routers, and what each has; they are shared out evenly over `projects`. `host` is
    where servers and agents run."""

    routers: int
    interfaces: int = 0
    floating_ips: int = 0
    gateway: bool = True
    distributed: bool = False
    ha: bool = False
    projects: int = 1
    host: str = HOST

    def parts(self) -> tuple[Rows, ...]:
        """All rows, ready for `seed.write`."""
        return (
            networks(self._network_names(), external=[PUBLIC_NETWORK]),
            self._bare_routers(),
            ports([*self._gateways(), *self._interfaces(), *self._floating(), *self._ha_ports()]),
            self._floating_addresses(),
        )

    def agent_parts(self, mode: str) -> tuple[Rows, ...]:
        """A layer 3 agent on `host` in this mode, and every router bound to it."""
        return (_agent(self.host, mode), self._bindings(), self._ha_bindings())

    @property
    def router_ids(self) -> list[str]:
        return [identity("router", number) for number in range(self.routers)]

    def _bare_routers(self) -> Rows:
        plain = routers(
            projects=self.projects,
            each=self.routers // self.projects,
            distributed=self.distributed,
            ha=self.ha,
        )
        gateways = {port.router: port.id for port in self._gateways()}
        with_gateway = [
            {**row, "gw_port_id": gateways.get(number)}
            for number, row in enumerate(plain["routers"])
        ]
        return {**plain, "routers": with_gateway}

    def _network_names(self) -> list[str]:
        own = [self._network(r, i) for r, i in product(range(self.routers), range(self.interfaces))]
        return [PUBLIC_NETWORK, *own, *([_HA_NETWORK] if self.ha else [])]

    def _network(self, router: int, interface: int) -> str:
        return f"net-{router * self.interfaces + interface}"

    def _gateways(self) -> list[Port]:
        return [
            Port("gateway", number, PUBLIC_NETWORK, _address(0, 1, number),
                 "network:router_gateway", router=number, host=self.host)
            for number in range(self.routers if self.gateway else 0)
        ]  # fmt: skip

    def _interfaces(self) -> list[Port]:
        owner = "network:router_interface" + ("_distributed" if self.distributed else "")
        pairs = product(range(self.routers), range(self.interfaces))
        return [
            Port("interface", number, self._network(router, interface), f"10.{number + 1}.0.1",
                 owner, router=router)
            for number, (router, interface) in enumerate(pairs)
        ]  # fmt: skip

    def _floating(self) -> list[Port]:
        """For each floating address the port that holds it, then the server's port behind it."""
        pairs = list(enumerate(product(range(self.routers), range(self.floating_ips))))
        held = [
            Port("floating", number, PUBLIC_NETWORK, _address(0, 128, number),
                 "network:floatingip", device=identity("floating", number))
            for number, _ in pairs
        ]  # fmt: skip
        servers = [
            Port("server", number, self._network(router, 0),
                 _address(router * self.interfaces + 1, 1, number), "compute:nova",
                 device=identity("server", number), host=self.host)
            for number, (router, _) in pairs
        ]  # fmt: skip
        return [*held, *servers]

    def _floating_addresses(self) -> Rows:
        held = [port for port in self._floating() if port.role == "floating"]
        servers = [port for port in self._floating() if port.role == "server"]
        return {
            "floatingips": [
                {
                    "id": port.device,
                    "project_id": ADMIN_PROJECT,
                    "floating_ip_address": port.address,
                    "floating_network_id": identity(f"network {PUBLIC_NETWORK}"),
                    "floating_port_id": port.id,
                    "fixed_port_id": server.id,
                    "fixed_ip_address": server.address,
                    "router_id": identity("router", port.number // self.floating_ips),
                    "status": "ACTIVE",
                }
                for port, server in zip(held, servers, strict=True)
            ]
        }

    def _ha_ports(self) -> list[Port]:
        return [
            Port("ha", number, _HA_NETWORK, _address(self._ha_subnet, 1, number),
                 "network:router_ha_interface", router=number, host=self.host)
            for number in range(self.routers if self.ha else 0)
        ]  # fmt: skip

    @property
    def _ha_subnet(self) -> int:
        return self._network_names().index(_HA_NETWORK)

    def _bindings(self) -> Rows:
        return {
            "routerl3agentbindings": [
                {"router_id": router, "l3_agent_id": identity("agent"), "binding_index": 1}
                for router in self.router_ids
            ]
        }

    def _ha_bindings(self) -> Rows:
        return {
            "ha_router_agent_port_bindings": [
                {
                    "port_id": port.id,
                    "router_id": identity("router", port.number),
                    "l3_agent_id": identity("agent"),
                    "state": "active",
                }
                for port in self._ha_ports()
            ]
        }


def _address(network: int, block: int, number: int) -> str:
    """The address of that number in a block of a network; a block is 10.network.block.10 on."""
    third, fourth = divmod(number + 10, 250)
    return f"10.{network}.{block + third}.{fourth}"


def _agent(host: str, mode: str) -> Rows:
    return {
        "agents": [
            {
                "id": identity("agent"),
                "agent_type": "L3 agent",
                "binary": "neutron-l3-agent",
                "topic": "l3_agent",
                "host": host,
                "admin_state_up": True,
                "created_at": _LONG_AGO,
                "started_at": _LONG_AGO,
                "heartbeat_timestamp": _LONG_AGO,
                "configurations": f'{{"agent_mode": "{mode}"}}',
            }
        ]
    }
