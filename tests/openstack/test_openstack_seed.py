"""The rows for Neutron's tables, without Neutron."""

from __future__ import annotations

import ipaddress
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from auditor_openstack import seed
from auditor_openstack.topology import Topology

PLENTY = Topology(routers=40, interfaces=3, floating_ips=4, distributed=True, ha=True)


def test_an_identity_is_a_uuid_that_sorts_by_its_number() -> None:
    made = [seed.identity("label", number) for number in range(300)]
    assert made == sorted(made)
    assert [str(uuid.UUID(one)) for one in made] == made


def test_an_identity_is_the_same_in_each_process() -> None:
    assert seed.identity("label", 5) == "00000005-0efc-5395-b307-67670ac717bd"


def test_identities_of_different_names_differ() -> None:
    assert len({seed.identity(name, 1) for name in ("label", "rule", "router")}) == 3


def test_private_labels_come_before_shared_ones_by_place_and_by_key() -> None:
    labels = seed.metering_labels(private=3, shared=2, rules=0)["meteringlabels"]
    assert [label["shared"] for label in labels] == [False, False, False, True, True]
    assert [label["id"] for label in labels] == sorted(str(label["id"]) for label in labels)


def test_each_private_label_has_a_project_of_its_own_with_the_routers() -> None:
    labels = seed.metering_labels(private=3, shared=2, rules=0)["meteringlabels"]
    routers = seed.routers(projects=3, each=2)["routers"]
    per_project = Counter(router["project_id"] for router in routers)
    assert [per_project[label["project_id"]] for label in labels] == [2, 2, 2, 0, 0]


def test_each_label_has_its_rules() -> None:
    rows = seed.metering_labels(private=2, shared=1, rules=3)
    owners = Counter(rule["metering_label_id"] for rule in rows["meteringlabelrules"])
    assert owners == {label["id"]: 3 for label in rows["meteringlabels"]}


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        ("routers", ["id"]),
        ("networks", ["id"]),
        ("ports", ["id"]),
        ("ports", ["network_id", "mac_address"]),
        ("ipallocations", ["ip_address", "subnet_id"]),
        ("floatingips", ["floating_network_id", "fixed_port_id", "fixed_ip_address"]),
        ("routerports", ["router_id", "port_id"]),
    ],
)
def test_keys_of_a_large_topology_are_unique(table: str, keys: list[str]) -> None:
    rows = _all_rows(table)
    assert len({tuple(row[key] for key in keys) for row in rows}) == len(rows) > 0


def test_every_address_lies_in_its_subnet() -> None:
    subnets = {row["id"]: ipaddress.ip_network(str(row["cidr"])) for row in _all_rows("subnets")}
    outside = [
        row
        for row in _all_rows("ipallocations")
        if ipaddress.ip_address(str(row["ip_address"])) not in subnets[row["subnet_id"]]
    ]
    assert outside == []


def test_a_server_is_on_the_network_of_its_routers_first_interface() -> None:
    ports = {row["id"]: row for row in _all_rows("ports")}
    first: dict[object, object] = {}
    for row in _all_rows("routerports"):
        if str(row["port_type"]).startswith("network:router_interface"):
            first.setdefault(row["router_id"], ports[row["port_id"]]["network_id"])
    assert {
        row["id"]: ports[row["fixed_port_id"]]["network_id"] for row in _all_rows("floatingips")
    } == {row["id"]: first[row["router_id"]] for row in _all_rows("floatingips")}


def _all_rows(table: str) -> Sequence[Mapping[str, object]]:
    return [row for part in PLENTY.parts() for row in part.get(table, ())]
