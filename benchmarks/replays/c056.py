"""C056: Octavia's housekeeping loaded all of each expired amphora to delete it by its id.

    git clone https://opendev.org/openstack/octavia
    auditor profile benchmarks/replays/c056.py --project octavia \
        --measure statements --measure rows --against be552d99a4^..be552d99a4
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from octavia.controller.housekeeping import house_keeping
from octavia.db import api, models
from sqlalchemy import orm

import auditor

LONG_AGO = datetime(2018, 1, 1)  # noqa: DTZ001  Octavia keeps UTC without saying so


def opened(database: Any) -> orm.sessionmaker[Any]:
    """Octavia's tables, and sessions of the kind it used then."""
    engine = sa.create_engine(database.url)
    models.base_models.BASE.metadata.create_all(engine)
    sessions = orm.sessionmaker(engine, autocommit=True)
    api.get_session = sessions
    return sessions


@auditor.scenario(
    sizes={"amphorae": (1, 2, 4), "listeners": (1, 2, 4)},
    prepare=opened,
    target="octavia.controller.housekeeping.house_keeping:DatabaseCleanup.delete_old_amphorae",
)
def old_amphorae(
    sessions: orm.sessionmaker[Any], amphorae: int, listeners: int
) -> Callable[[], Any]:
    """Deleted amphorae of one load balancer that has `listeners` listeners."""
    auditor.seed(
        sessions.kw["bind"],
        models.base_models.BASE,
        {"load_balancer": 1, "vip": 1, "listener": listeners, "amphora": amphorae},
        hooks={
            "provisioning_status.name": "DELETED",
            "amphora.updated_at": LONG_AGO,
            "listener.protocol_port": lambda row: row + 1,
            "listener.default_pool_id": None,
        },
    )
    work: Callable[[], Any] = house_keeping.DatabaseCleanup().delete_old_amphorae
    return work
