"""C055: Octavia's lists of load balancers loaded the parts of each by themselves.

    git clone https://opendev.org/openstack/octavia
    auditor profile benchmarks/replays/c055.py --project octavia \
        --measure statements --measure rows --against 77068905e1^..77068905e1
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
    sizes={"balancers": (1, 2, 4), "listeners": (1, 2, 4)},
    prepare=opened,
    target="octavia.db.repositories:BaseRepository.get_all",
)
def all_load_balancers(
    sessions: orm.sessionmaker[Any], balancers: int, listeners: int
) -> Callable[[], Any]:
    """Load balancers with a VIP and `listeners` listeners each."""
    auditor.seed(
        sessions.kw["bind"],
        models.base_models.BASE,
        {"load_balancer": balancers, "vip": balancers, "listener": balancers * listeners},
        hooks={"listener.protocol_port": lambda row: row + 1, "listener.default_pool_id": None},
    )
    repository = repositories.LoadBalancerRepository()

    def call() -> None:
        with sessions() as session:
            repository.get_all(session)

    return call
