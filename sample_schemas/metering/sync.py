"""Metering as a reviewer would find it: it looks reasonable, and every function has a defect.

`README.md` beside this file tells what each defect does; a mark at the end of a line names the code
that `auditor scan` must report there. `repaired.py` holds the same functions without the defects.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc
from sqlalchemy import exc as sa_exc
from sqlalchemy import orm

from metering import errors, facade, models

LOG = logging.getLogger(__name__)


def get_sync_data(context: facade.Context) -> list[dict[str, Any]]:
    """What every agent needs to know: each router that is up, with the labels that meter it."""
    with facade.READER.using(context) as session:
        labels = session.query(models.MeteringLabel).order_by(models.MeteringLabel.name).all()
        return _routers_with_labels(session, labels)


def _routers_with_labels(
    session: orm.Session, labels: list[models.MeteringLabel]
) -> list[dict[str, Any]]:
    routers = None
    synced: dict[str, dict[str, Any]] = {}
    for label in labels:
        if label.shared:
            if not routers:
                routers = session.query(models.Router).all()
        else:
            router_ids = [router.id for router in label.routers]  # expect: DBA302
            query = session.query(models.Router).filter(models.Router.id.in_(router_ids))
            routers = query.all()  # expect: DBA301 DBA606
        for router in routers:
            if not router.admin_state_up:  # expect: DBA305
                continue
            distributed = router.extra_attributes.distributed  # expect: DBA302
            known = synced.setdefault(router.id, _router_dict(router, distributed))
            known["labels"].append(_label_dict(label))
    return list(synced.values())


def get_sync_data_for_rule(context: facade.Context, rule: dict[str, Any]) -> list[dict[str, Any]]:
    """What the agents need to know about one new rule."""
    with facade.READER.using(context) as session:
        label = session.get(models.MeteringLabel, rule["metering_label_id"])
        query = session.query(models.Router).options(orm.joinedload(models.Router.extra_attributes))
        if not label.shared:  # expect: DBA220
            query = query.filter(models.Router.project_id == label.project_id)
        return [
            _router_dict(router, router.extra_attributes.distributed) | {"rule": rule}
            for router in query.order_by(models.Router.id)
        ]


def create_label(
    context: facade.Context, label_id: str, project_id: str, name: str
) -> dict[str, Any]:
    """Store a new private label and return it."""
    label = models.MeteringLabel(id=label_id, project_id=project_id, name=name, shared=False)
    try:
        with facade.WRITER.using(context) as session:
            session.add(label)
    except db_exc.DBDuplicateEntry:  # expect: DBA201
        LOG.debug("project %s has a label %s", project_id, name)
    return {"id": label_id, "name": name, "shared": False}


def create_rule(
    context: facade.Context, rule_id: str, label_id: str, remote_ip_prefix: str
) -> dict[str, Any]:
    """Store a new rule of a label and return it."""
    try:
        with facade.WRITER.using(context) as session:
            session.add(
                models.MeteringLabelRule(
                    id=rule_id,
                    metering_label_id=label_id,
                    direction="ingress",
                    remote_ip_prefix=remote_ip_prefix,
                    excluded=False,
                )
            )
    except db_exc.DBReferenceError:
        raise errors.LabelNotFound(label_id)  # expect: DBA208
    return {"id": rule_id, "metering_label_id": label_id, "remote_ip_prefix": remote_ip_prefix}


def attach_port(context: facade.Context, router_id: str, port_id: str) -> None:
    """Make a port an interface of a router."""
    try:
        with facade.WRITER.using(context) as session:
            session.add(models.RouterPort(router_id=router_id, port_id=port_id))  # expect: DBA214
    except sa_exc.IntegrityError as error:  # expect: DBA203
        raise errors.PortNotAttached(port_id) from error


def delete_label(context: facade.Context, label_id: str) -> None:
    """Remove a label and its rules."""
    try:
        with facade.WRITER.using(context) as session:
            session.query(models.MeteringLabel).filter_by(id=label_id).delete()
    except db_exc.DBError as error:
        raise errors.MeteringUnavailable("delete_label") from error
    except db_exc.DBDeadlock as error:  # expect: DBA204
        LOG.warning("label %s is in use by another request", label_id)
        raise errors.MeteringUnavailable("delete_label, try again") from error


@facade.READER
def iter_labels(context: facade.Context) -> Iterator[dict[str, Any]]:  # expect: DBA403
    """Every label, one after the other."""
    for label in context.session.query(models.MeteringLabel):
        yield _label_dict(label)


def label_names(context: facade.Context, project_id: str) -> list[str]:
    """The names of the labels of a project."""
    with facade.READER.using(context) as session:
        statement = f"SELECT name FROM meteringlabels WHERE project_id = '{project_id}'"
        return list(session.execute(sa.text(statement)).scalars())  # expect: DBA101


def count_labels(context: facade.Context) -> int:
    """How many labels there are."""
    with facade.READER.using(context) as session:
        counted = session.execute("SELECT count(*) FROM meteringlabels")  # expect: DBA103 DBA104
        return counted.scalar()


def _label_dict(label: models.MeteringLabel) -> dict[str, Any]:
    rules = [{"id": rule.id, "remote_ip_prefix": rule.remote_ip_prefix} for rule in label.rules]
    return {"id": label.id, "name": label.name, "shared": label.shared, "rules": rules}


def _router_dict(router: models.Router, distributed: bool) -> dict[str, Any]:
    return {
        "id": router.id,
        "name": router.name,
        "project_id": router.project_id,
        "distributed": distributed,
        "labels": [],
    }
