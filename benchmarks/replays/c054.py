"""C054: Octavia joined every relationship there is to find the load balancer of an amphora.

    git clone https://opendev.org/openstack/octavia
    auditor profile benchmarks/replays/c054.py --project octavia \
        --measure statements --measure rows --against b627d7cf72^..b627d7cf72
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from octavia.db import models, repositories
from sqlalchemy import orm

import auditor


def opened(database: Any) -> orm.sessionmaker[Any]:
    """Octavia's tables, and sessions of the kind it used then."""
    engine = sa.create_engine(database.url)
    models.base_models.BASE.metadata.create_all(engine)
    return orm.sessionmaker(engine, autocommit=True)


@auditor.scenario(
    sizes={"listeners": (1, 2, 4), "pools": (1, 2, 4), "amphorae": (1, 2, 4)},
    prepare=opened,
    target="octavia.db.repositories:AmphoraRepository.get_lb_for_amphora",
)
def lb_for_amphora(
    sessions: orm.sessionmaker[Any], listeners: int, pools: int, amphorae: int
) -> Callable[[], Any]:
    """A load balancer with its listeners, pools and amphorae; one of those asks for it."""
    auditor.seed(
        sessions.kw["bind"],
        models.base_models.BASE,
        {
            "load_balancer": 1,
            "vip": 1,
            "listener": listeners,
            "pool": pools,
            "amphora": amphorae,
        },
        hooks={"listener.protocol_port": lambda row: row + 1, "listener.default_pool_id": None},
    )
    repository = repositories.AmphoraRepository()
    with sessions() as session:
        amphora = session.scalars(sa.select(models.Amphora.id).order_by("id")).first()

    def call() -> None:
        with sessions() as session:
            repository.get_lb_for_amphora(session, amphora)

    return call
