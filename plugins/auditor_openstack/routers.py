"""Workloads on Neutron's router plug-in: what its agents ask for, and what its API lists.

Sizes begin at 1 where 0 is another law: with nothing to sync these functions return early.
What a size means is said in each scenario's text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from auditor.growth.scenario import scenario
from auditor_openstack import seed
from auditor_openstack.neutron import Neutron, prepare
from auditor_openstack.topology import HOST, Topology

Call = Callable[[], Any]

_L3 = "neutron.db.l3_db:L3_NAT_dbonly_mixin"
_SCHEDULER = "neutron.db.l3_agentschedulers_db:L3AgentSchedulerDbMixin"
_DVR = "neutron.db.l3_dvr_db:_DVRAgentInterfaceMixin"
_HA = "neutron.db.l3_hamode_db:L3_HA_NAT_db_mixin"
_RPC = "neutron.db.metering.metering_rpc:MeteringRpcCallbacks"
_FEW = (1, 2, 4)
_PAIR = (1, 3)


def _seed(neutron: Neutron, topology: Topology, *, mode: str = "") -> None:
    agent = topology.agent_parts(mode) if mode else ()
    seed.write(neutron, *topology.parts(), *agent)
    neutron.use()


def _agent(neutron: Neutron, context: Any) -> Any:
    return neutron.l3.get_l3_agents(context)[0]


@scenario(
    name="neutron.l3_sync",
    target=f"{_L3}.get_sync_data",
    sizes={"routers": _FEW, "interfaces": _PAIR, "floating_ips": _PAIR},
    prepare=prepare,
)
def l3_sync(neutron: Neutron, *, routers: int, interfaces: int, floating_ips: int) -> Call:
    """What a layer 3 agent asks for: `routers` routers with their ports and floating addresses.

    Each has a gateway, `interfaces` interfaces and `floating_ips` floating addresses.
    """
    _seed(neutron, Topology(routers, interfaces, floating_ips))
    return lambda: neutron.l3.get_sync_data(neutron.context())


@scenario(
    name="neutron.l3_sync_interfaces",
    target=f"{_L3}._get_sync_interfaces",
    sizes={"routers": _FEW, "interfaces": _FEW},
    prepare=prepare,
)
def l3_sync_interfaces(neutron: Neutron, *, routers: int, interfaces: int) -> Call:
    """The part of `neutron.l3_sync` that reads `interfaces` interfaces on each of `routers`."""
    topology = Topology(routers, interfaces)
    _seed(neutron, topology)
    sync = neutron.l3._get_sync_interfaces  # noqa: SLF001  the function to measure
    return lambda: sync(neutron.context(), topology.router_ids)


@scenario(
    name="neutron.l3_sync_floating_ips",
    target=f"{_L3}._get_sync_floating_ips",
    sizes={"routers": _FEW, "floating_ips": _FEW},
    prepare=prepare,
)
def l3_sync_floating_ips(neutron: Neutron, *, routers: int, floating_ips: int) -> Call:
    """The part of `neutron.l3_sync` that reads `floating_ips` addresses of each of `routers`."""
    topology = Topology(routers, 1, floating_ips)
    _seed(neutron, topology)
    sync = neutron.l3._get_sync_floating_ips  # noqa: SLF001  the function to measure
    return lambda: sync(neutron.context(), topology.router_ids)


@scenario(
    name="neutron.routers",
    target=f"{_L3}.get_routers",
    sizes={"routers": _FEW, "interfaces": _PAIR},
    prepare=prepare,
)
def routers(neutron: Neutron, *, routers: int, interfaces: int) -> Call:
    """The API's list of `routers` routers; each has a gateway and `interfaces` interfaces."""
    _seed(neutron, Topology(routers, interfaces))
    return lambda: neutron.l3.get_routers(neutron.context())


@scenario(
    name="neutron.floating_ips",
    target=f"{_L3}.get_floatingips",
    sizes={"routers": _PAIR, "floating_ips": _FEW},
    prepare=prepare,
)
def floating_ips(neutron: Neutron, *, routers: int, floating_ips: int) -> Call:
    """The API's list of floating addresses: `floating_ips` on each of `routers` routers."""
    _seed(neutron, Topology(routers, 1, floating_ips))
    return lambda: neutron.l3.get_floatingips(neutron.context())


@scenario(
    name="neutron.agent_routers_sync",
    target=f"{_SCHEDULER}.list_active_sync_routers_on_active_l3_agent",
    sizes={"routers": _FEW, "interfaces": _PAIR, "floating_ips": _PAIR},
    prepare=prepare,
)
def agent_routers_sync(
    neutron: Neutron, *, routers: int, interfaces: int, floating_ips: int
) -> Call:
    """What one agent gets when it asks by its host: the `routers` routers scheduled on it.

    Each has a gateway, `interfaces` interfaces and `floating_ips` floating addresses.
    """
    _seed(neutron, Topology(routers, interfaces, floating_ips), mode="legacy")
    return lambda: neutron.l3.list_active_sync_routers_on_active_l3_agent(
        neutron.context(), HOST, None
    )


@scenario(
    name="neutron.dvr_sync",
    target=f"{_DVR}._get_dvr_sync_data",
    sizes={"routers": _FEW, "interfaces": _PAIR, "floating_ips": _FEW},
    prepare=prepare,
)
def dvr_sync(neutron: Neutron, *, routers: int, interfaces: int, floating_ips: int) -> Call:
    """What an agent asks for that runs parts of `routers` distributed routers.

    Each has a gateway, `interfaces` interfaces and `floating_ips` floating addresses; the servers
    behind them run on the agent's own host.
    """
    topology = Topology(routers, interfaces, floating_ips, distributed=True)
    _seed(neutron, topology, mode="dvr_snat")
    agent = _agent(neutron, neutron.context())
    sync = neutron.l3._get_dvr_sync_data  # noqa: SLF001  the function to measure
    return lambda: sync(neutron.context(), HOST, agent, topology.router_ids, active=True)


@scenario(
    name="neutron.ha_sync",
    target=f"{_HA}.get_ha_sync_data_for_host",
    sizes={"routers": _FEW, "interfaces": _PAIR, "floating_ips": _PAIR},
    prepare=prepare,
)
def ha_sync(neutron: Neutron, *, routers: int, interfaces: int, floating_ips: int) -> Call:
    """What an agent asks for that is active for `routers` highly available routers.

    Each has a gateway, `interfaces` interfaces, `floating_ips` floating addresses and an HA port.
    """
    topology = Topology(routers, interfaces, floating_ips, ha=True)
    _seed(neutron, topology, mode="legacy")
    agent = _agent(neutron, neutron.context())
    return lambda: neutron.l3.get_ha_sync_data_for_host(
        neutron.context(), HOST, agent, router_ids=topology.router_ids, active=True
    )


@scenario(
    name="neutron.metering_rpc_sync",
    target=f"{_RPC}.get_sync_data_metering",
    sizes={"labels": _FEW, "routers": _PAIR, "rules": _PAIR},
    prepare=prepare,
)
def metering_rpc_sync(neutron: Neutron, *, labels: int, routers: int, rules: int) -> Call:
    """What a metering agent asks for by its host: labels of the routers scheduled on it.

    `labels` private labels with `rules` rules, `routers` routers in the project of each.
    """
    topology = Topology(labels * routers, gateway=False, projects=labels)
    seed_labels = seed.metering_labels(private=labels, shared=0, rules=rules)
    seed.write(neutron, seed_labels, *topology.parts(), *topology.agent_parts("legacy"))
    neutron.use()
    return lambda: neutron.metering_rpc.get_sync_data_metering(neutron.context(), host=HOST)
