"""All scenarios of this plug-in, as `auditor profile` and `auditor faults` look them up by name.

Importing this module imports nothing of Neutron: `auditor_openstack.neutron.prepare` does.
"""

from __future__ import annotations

from auditor_openstack.local_ips import (
    local_ip_association_create,
    local_ip_association_create_retried,
    local_ip_association_delete,
    local_ip_associations,
)
from auditor_openstack.metering import (
    metering_label_create,
    metering_label_delete,
    metering_labels,
    metering_rule_create,
    metering_rule_create_retried,
    metering_rule_delete,
    metering_rules,
    metering_sync,
    metering_sync_rule,
    metering_sync_shared,
)
from auditor_openstack.routers import (
    agent_routers_sync,
    dvr_sync,
    floating_ips,
    ha_sync,
    l3_sync,
    l3_sync_floating_ips,
    l3_sync_interfaces,
    metering_rpc_sync,
    routers,
)

__all__ = [
    "agent_routers_sync",
    "dvr_sync",
    "floating_ips",
    "ha_sync",
    "l3_sync",
    "l3_sync_floating_ips",
    "l3_sync_interfaces",
    "local_ip_association_create",
    "local_ip_association_create_retried",
    "local_ip_association_delete",
    "local_ip_associations",
    "metering_label_create",
    "metering_label_delete",
    "metering_labels",
    "metering_rpc_sync",
    "metering_rule_create",
    "metering_rule_create_retried",
    "metering_rule_delete",
    "metering_rules",
    "metering_sync",
    "metering_sync_rule",
    "metering_sync_shared",
    "routers",
]
