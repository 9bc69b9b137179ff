"""The functions of `sync.py` as they should be: the same names, arguments and results.

A read takes a fixed number of statements, whatever the sizes. A write is retried after a deadlock,
each try in a new transaction, and every other database error becomes an error of the contract that
keeps its cause.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from oslo_db import api as oslo_db_api
from oslo_db import exception as db_exc
from sqlalchemy import exc as sa_exc
from sqlalchemy import orm

from metering import errors, facade, models

_RETRIED = oslo_db_api.wrap_db_retry(
    max_retries=3, retry_interval=0.01, inc_retry_interval=False, retry_on_deadlock=True
)

# oslo.db lets some errors through as they are: a lock wait on SQLite and PostgreSQL, a
# serialization failure and a statement timeout on PostgreSQL, a pool that has no connection left.
_FAILURES = (db_exc.DBError, sa_exc.OperationalError, sa_exc.TimeoutError)


def get_sync_data(context: facade.Context) -> list[dict[str, Any]]:
    """What every agent needs to know: each router that is up, with the labels that meter it."""
    try:
        return _sync_data(context)
    except _FAILURES as error:
        raise errors.MeteringUnavailable("get_sync_data") from error


@_RETRIED
@facade.READER
def _sync_data(context: facade.Context) -> list[dict[str, Any]]:
    shared: list[dict[str, Any]] = []
    private: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    labels = context.session.query(models.MeteringLabel).order_by(models.MeteringLabel.name)
    for label in labels:
        owner = shared if label.shared else private[label.project_id]
        owner.append(_label_dict(label))
    routers = _routers(context.session).filter(models.Router.admin_state_up.is_(sa.true()))
    if not shared:
        routers = routers.filter(models.Router.project_id.in_(list(private)))
    synced = [_router_dict(router, private[router.project_id] + shared) for router in routers]
    return [router for router in synced if router["labels"]]


def get_sync_data_for_rule(context: facade.Context, rule: dict[str, Any]) -> list[dict[str, Any]]:
    """What the agents need to know about one new rule; raises LabelNotFound if it has no label."""
    try:
        return _sync_data_for_rule(context, rule)
    except _FAILURES as error:
        raise errors.MeteringUnavailable("get_sync_data_for_rule") from error


@_RETRIED
@facade.READER
def _sync_data_for_rule(context: facade.Context, rule: dict[str, Any]) -> list[dict[str, Any]]:
    label = context.session.get(models.MeteringLabel, rule["metering_label_id"])
    if label is None:
        raise errors.LabelNotFound(rule["metering_label_id"])
    routers = _routers(context.session).filter(models.Router.admin_state_up.is_(sa.true()))
    if not label.shared:
        routers = routers.filter(models.Router.project_id == label.project_id)
    return [_router_dict(router, []) | {"rule": rule} for router in routers]


def create_label(
    context: facade.Context, label_id: str, project_id: str, name: str
) -> dict[str, Any]:
    """Store a new private label and return it; raises LabelExists if the project has that name."""
    try:
        _insert(
            context,
            lambda: models.MeteringLabel(
                id=label_id, project_id=project_id, name=name, shared=False
            ),
        )
    except db_exc.DBDuplicateEntry as error:
        raise errors.LabelExists(name) from error
    except _FAILURES as error:
        raise errors.MeteringUnavailable("create_label") from error
    return {"id": label_id, "name": name, "shared": False}


def create_rule(
    context: facade.Context, rule_id: str, label_id: str, remote_ip_prefix: str
) -> dict[str, Any]:
    """Store a new rule of a label and return it; raises LabelNotFound if the label is gone."""
    try:
        _insert(
            context,
            lambda: models.MeteringLabelRule(
                id=rule_id,
                metering_label_id=label_id,
                direction="ingress",
                remote_ip_prefix=remote_ip_prefix,
                excluded=False,
            ),
        )
    except db_exc.DBReferenceError as error:
        raise errors.LabelNotFound(label_id) from error
    except _FAILURES as error:
        raise errors.MeteringUnavailable("create_rule") from error
    return {"id": rule_id, "metering_label_id": label_id, "remote_ip_prefix": remote_ip_prefix}


def attach_port(context: facade.Context, router_id: str, port_id: str) -> None:
    """Make a port an interface of a router; raises PortNotAttached if either is gone or taken."""
    try:
        _insert(context, lambda: models.RouterPort(router_id=router_id, port_id=port_id))
    except (db_exc.DBReferenceError, db_exc.DBDuplicateEntry) as error:
        raise errors.PortNotAttached(port_id) from error
    except _FAILURES as error:
        raise errors.MeteringUnavailable("attach_port") from error


@_RETRIED
@facade.WRITER
def _insert(context: facade.Context, new: Callable[[], Any]) -> None:
    """Store the row that `new` makes: a row of a failed try is not used again."""
    context.session.add(new())


def delete_label(context: facade.Context, label_id: str) -> None:
    """Remove a label and its rules."""
    try:
        _delete_label(context, label_id)
    except _FAILURES as error:
        raise errors.MeteringUnavailable("delete_label") from error


@_RETRIED
@facade.WRITER
def _delete_label(context: facade.Context, label_id: str) -> None:
    context.session.query(models.MeteringLabel).filter_by(id=label_id).delete()


def iter_labels(context: facade.Context) -> Iterator[dict[str, Any]]:
    """Every label, one after the other; all are read before the first is given."""
    with facade.READER.using(context) as session:
        labels = [_label_dict(label) for label in session.query(models.MeteringLabel)]
    return iter(labels)


def label_names(context: facade.Context, project_id: str) -> list[str]:
    """The names of the labels of a project."""
    label = models.MeteringLabel
    statement = sa.select(label.name).where(label.project_id == project_id)
    with facade.READER.using(context) as session:
        return list(session.execute(statement).scalars())


def count_labels(context: facade.Context) -> int:
    """How many labels there are."""
    with facade.READER.using(context) as session:
        return int(session.query(models.MeteringLabel).count())


def _routers(session: orm.Session) -> orm.Query[models.Router]:
    """Routers in order of id, with their extra attributes and without what is not sent."""
    return (
        session.query(models.Router)
        .options(
            orm.joinedload(models.Router.extra_attributes),
            orm.lazyload(models.Router.attached_ports),
            orm.lazyload(models.Router.routes),
        )
        .order_by(models.Router.id)
    )


def _label_dict(label: models.MeteringLabel) -> dict[str, Any]:
    rules = [{"id": rule.id, "remote_ip_prefix": rule.remote_ip_prefix} for rule in label.rules]
    return {"id": label.id, "name": label.name, "shared": label.shared, "rules": rules}


def _router_dict(router: models.Router, labels: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": router.id,
        "name": router.name,
        "project_id": router.project_id,
        "distributed": router.extra_attributes.distributed,
        "labels": labels,
    }
