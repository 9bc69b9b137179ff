"""C032: Nova joined two collections to the one instance it asked for.

    git clone https://opendev.org/openstack/nova
    auditor profile benchmarks/replays/c032.py --project nova \
        --measure statements --measure rows --against e728fe668a^..e728fe668a
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova import context
from nova.db.sqlalchemy import api, models

import auditor


def opened(database: Any) -> Any:
    """Nova's tables, and its own way to the database."""
    api.main_context_manager.configure(connection=database.url, sqlite_fk=False)
    engine = api.get_engine()
    models.BASE.metadata.create_all(engine)
    return engine


@auditor.scenario(
    sizes={"metadata": (1, 2, 4), "system_metadata": (1, 2, 4)},
    prepare=opened,
    target="nova.db.sqlalchemy.api:_build_instance_get",
)
def one_instance(engine: Any, metadata: int, system_metadata: int) -> Callable[[], Any]:
    """An instance with its metadata and that of the system, as most calls of Nova get it."""
    auditor.seed(
        engine,
        models.BASE,
        {
            "instances": 1,
            "instance_info_caches": 1,
            "instance_metadata": metadata,
            "instance_system_metadata": system_metadata,
        },
        hooks={
            "instances.uuid": "instance",
            "instance_info_caches.instance_uuid": "instance",
            "instance_metadata.instance_uuid": "instance",
            "instance_system_metadata.instance_uuid": "instance",
        },
    )

    def call() -> None:
        api.instance_get_by_uuid(context.get_admin_context(), "instance")

    return call
