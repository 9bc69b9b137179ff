"""Workloads on Neutron's metering plug-in: its sync functions, and writes for fault sweeps.

Sizes begin at 1 where 0 is another law: with nothing to sync these functions return early.
What a size means is said in each scenario's text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from auditor.growth.scenario import scenario
from auditor_openstack import seed
from auditor_openstack.neutron import Neutron, prepare

Call = Callable[[], Any]

_MIXIN = "neutron.db.metering.metering_db:MeteringDbMixin"
_PLUGIN = "neutron.services.metering.metering_plugin:MeteringPlugin"
_FEW = (1, 2, 4)
_PAIR = (1, 3)
_LABEL_GONE = "neutron_lib.exceptions.metering.MeteringLabelNotFound"
_RULE_GONE = "neutron_lib.exceptions.metering.MeteringLabelRuleNotFound"


def _seed(
    neutron: Neutron, *, labels: int, routers: int, rules: int, shared_labels: int = 0
) -> None:
    seed.write(
        neutron,
        seed.metering_labels(private=labels, shared=shared_labels, rules=rules),
        seed.routers(projects=max(labels, 1), each=routers),
    )
    neutron.use()


@scenario(
    name="neutron.metering_sync",
    target=f"{_MIXIN}.get_sync_data_metering",
    sizes={"labels": _FEW, "shared_labels": (0, 1, 3), "routers": _PAIR, "rules": _PAIR},
    prepare=prepare,
)
def metering_sync(
    neutron: Neutron, *, labels: int, shared_labels: int, routers: int, rules: int
) -> Call:
    """What the metering agent asks for: all labels with their rules and routers.

    `labels` private ones, each in its own project with `routers` routers, come before
    `shared_labels` shared ones; each label has `rules` rules. The order matters to Neutron 29: a
    shared label takes over the routers read for the label before it.
    """
    _seed(neutron, labels=labels, shared_labels=shared_labels, routers=routers, rules=rules)
    return lambda: neutron.metering.get_sync_data_metering(neutron.context())


@scenario(
    name="neutron.metering_sync_shared",
    target=f"{_MIXIN}.get_sync_data_metering",
    sizes={"shared_labels": _FEW, "routers": _PAIR, "rules": _PAIR},
    prepare=prepare,
)
def metering_sync_shared(neutron: Neutron, *, shared_labels: int, routers: int, rules: int) -> Call:
    """As `neutron.metering_sync`, but all labels are shared: `shared_labels` of them.

    Each has `rules` rules; one other project has `routers` routers.
    """
    _seed(neutron, labels=0, shared_labels=shared_labels, routers=routers, rules=rules)
    return lambda: neutron.metering.get_sync_data_metering(neutron.context())


@scenario(
    name="neutron.metering_sync_rule",
    target=f"{_MIXIN}.get_sync_data_for_rule",
    sizes={"labels": _PAIR, "routers": _FEW, "rules": _PAIR},
    prepare=prepare,
)
def metering_sync_rule(neutron: Neutron, *, labels: int, routers: int, rules: int) -> Call:
    """What is sent to the agents after a change of one rule of a private label.

    It is one of `labels` labels with `rules` rules; the project of each has `routers` routers.
    """
    _seed(neutron, labels=labels, routers=routers, rules=rules)
    rule = {"id": seed.identity("rule"), "metering_label_id": seed.identity("label")}
    return lambda: neutron.metering.get_sync_data_for_rule(neutron.context(), rule)


@scenario(
    name="neutron.metering_labels",
    target=f"{_MIXIN}.get_metering_labels",
    sizes={"labels": _FEW, "routers": _PAIR, "rules": _PAIR},
    prepare=prepare,
)
def metering_labels(neutron: Neutron, *, labels: int, routers: int, rules: int) -> Call:
    """The API's list of `labels` private labels.

    Each has `rules` rules, and its project `routers` routers.
    """
    _seed(neutron, labels=labels, routers=routers, rules=rules)
    return lambda: neutron.metering.get_metering_labels(neutron.context())


@scenario(
    name="neutron.metering_rules",
    target=f"{_MIXIN}.get_metering_label_rules",
    sizes={"labels": _PAIR, "rules": _FEW},
    prepare=prepare,
)
def metering_rules(neutron: Neutron, *, labels: int, rules: int) -> Call:
    """The API's list of all rules: `rules` of each of `labels` private labels."""
    _seed(neutron, labels=labels, routers=1, rules=rules)
    return lambda: neutron.metering.get_metering_label_rules(neutron.context())


@scenario(
    name="neutron.metering_label_create",
    target=f"{_PLUGIN}.create_metering_label",
    sizes={"labels": _FEW, "routers": _PAIR},
    prepare=prepare,
    volatile=["meteringlabels.id"],
)
def metering_label_create(neutron: Neutron, *, labels: int, routers: int) -> Call:
    """Creates a private label beside `labels` others and tells the agents about all of them.

    The project of each label has `routers` routers.
    """
    _seed(neutron, labels=labels, routers=routers, rules=1)
    body = {
        "name": "new", "description": "", "shared": False, "project_id": seed.project(0),
    }  # fmt: skip
    return lambda: neutron.metering.create_metering_label(
        neutron.context(), {"metering_label": body}
    )


@scenario(
    name="neutron.metering_rule_create",
    target=f"{_PLUGIN}.create_metering_label_rule",
    sizes={"routers": _FEW, "rules": _PAIR},
    prepare=prepare,
    volatile=["meteringlabelrules.id"],
    declared=[_LABEL_GONE],
)
def metering_rule_create(neutron: Neutron, *, routers: int, rules: int) -> Call:
    """Adds a rule to a label with `rules` rules and tells the agents of its `routers` routers."""
    _seed(neutron, labels=1, routers=routers, rules=rules)
    return lambda: neutron.metering.create_metering_label_rule(neutron.context(), _new_rule())


@scenario(
    name="neutron.metering_rule_create_retried",
    target=f"{_PLUGIN}.create_metering_label_rule",
    sizes={"routers": _PAIR, "rules": _PAIR},
    prepare=prepare,
    volatile=["meteringlabelrules.id"],
    declared=[_LABEL_GONE],
)
def metering_rule_create_retried(neutron: Neutron, *, routers: int, rules: int) -> Call:
    """As `neutron.metering_rule_create`, under the retry that Neutron's API puts around it.

    The label has `rules` rules and `routers` routers. Each retry waits as Neutron waits.
    """
    _seed(neutron, labels=1, routers=routers, rules=rules)
    create = neutron.retried(neutron.metering.create_metering_label_rule)
    return lambda: create(neutron.context(), _new_rule())


def _new_rule() -> dict[str, dict[str, object]]:
    return {
        "metering_label_rule": {
            "metering_label_id": seed.identity("label"),
            "direction": "egress",
            "excluded": False,
            "source_ip_prefix": "192.0.2.0/24",
        }
    }


@scenario(
    name="neutron.metering_label_delete",
    target=f"{_PLUGIN}.delete_metering_label",
    sizes={"labels": _PAIR, "routers": _PAIR, "rules": _FEW},
    prepare=prepare,
    declared=[_LABEL_GONE],
)
def metering_label_delete(neutron: Neutron, *, labels: int, routers: int, rules: int) -> Call:
    """Deletes one of `labels` private labels with its `rules` rules, and tells the agents of the
    `routers` routers in its project."""
    _seed(neutron, labels=labels, routers=routers, rules=rules)
    return lambda: neutron.metering.delete_metering_label(neutron.context(), seed.identity("label"))


@scenario(
    name="neutron.metering_rule_delete",
    target=f"{_PLUGIN}.delete_metering_label_rule",
    sizes={"routers": _PAIR, "rules": _FEW},
    prepare=prepare,
    declared=[_RULE_GONE],
)
def metering_rule_delete(neutron: Neutron, *, routers: int, rules: int) -> Call:
    """Deletes one of the `rules` of a label and tells the agents of its `routers` routers."""
    _seed(neutron, labels=1, routers=routers, rules=rules)
    return lambda: neutron.metering.delete_metering_label_rule(
        neutron.context(), seed.identity("rule")
    )
