"""Workloads on the sample, each with its repaired twin.

Run one with `auditor profile sample_schemas/metering/scenarios.py::metering_sync`, or
`auditor faults sample_schemas/metering/scenarios.py::create_label`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from auditor.growth.scenario import scenario
from metering import facade, populate, repaired, sync

_SYNC_SIZES = {"labels": (1, 2, 4), "routers": (1, 2, 3), "rules": (1, 2)}
_ERRORS = ("metering.errors.MeteringError",)

Call = Callable[[], Any]


def _service(database: Any) -> facade.Context:
    """The service on the scratch database; runs once for each database."""
    return facade.bind(database.url)


@scenario(
    sizes=_SYNC_SIZES, prepare=_service, declared=_ERRORS, target="metering.sync:get_sync_data"
)
def metering_sync(context: facade.Context, labels: int, routers: int, rules: int) -> Call:
    """Sync data for all agents: `labels` projects of one label, `routers` up in each project."""
    populate.fill(context, labels, routers, rules)
    return lambda: sync.get_sync_data(context)


@scenario(
    sizes=_SYNC_SIZES, prepare=_service, declared=_ERRORS, target="metering.repaired:get_sync_data"
)
def metering_sync_repaired(context: facade.Context, labels: int, routers: int, rules: int) -> Call:
    """The same work by the repaired function."""
    populate.fill(context, labels, routers, rules)
    return lambda: repaired.get_sync_data(context)


@scenario(
    sizes={"labels": (1, 2, 4)},
    prepare=_service,
    declared=_ERRORS,
    target="metering.sync:create_label",
)
def create_label(context: facade.Context, labels: int) -> Call:
    """One new label in a project that has one already."""
    populate.fill(context, labels, routers=1, rules=1)
    return lambda: sync.create_label(context, *_NEW_LABEL)


@scenario(
    sizes={"labels": (1, 2, 4)},
    prepare=_service,
    declared=_ERRORS,
    target="metering.repaired:create_label",
)
def create_label_repaired(context: facade.Context, labels: int) -> Call:
    """The same work by the repaired function."""
    populate.fill(context, labels, routers=1, rules=1)
    return lambda: repaired.create_label(context, *_NEW_LABEL)


@scenario(
    sizes={"rules": (1, 2, 4)},
    prepare=_service,
    declared=_ERRORS,
    target="metering.sync:create_rule",
)
def create_rule(context: facade.Context, rules: int) -> Call:
    """One new rule of a label that has `rules` already."""
    populate.fill(context, labels=1, routers=1, rules=rules)
    return lambda: sync.create_rule(context, *_NEW_RULE)


@scenario(
    sizes={"rules": (1, 2, 4)},
    prepare=_service,
    declared=_ERRORS,
    target="metering.repaired:create_rule",
)
def create_rule_repaired(context: facade.Context, rules: int) -> Call:
    """The same work by the repaired function."""
    populate.fill(context, labels=1, routers=1, rules=rules)
    return lambda: repaired.create_rule(context, *_NEW_RULE)


_NEW_LABEL = (populate.fixed_id("new label"), populate.project_id(0), "label-new")
_NEW_RULE = (populate.fixed_id("new rule"), populate.label_id(0), "203.0.113.0/24")
