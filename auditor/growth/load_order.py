"""One order of eager loads in every process."""

from __future__ import annotations

import sys
from typing import Any

from sqlalchemy.util import OrderedSet


def settle_load_order() -> None:
    """Have eager loads of one object run in the order in which its relations are defined.

    SQLAlchemy keeps a mapper's attributes in a set, so the order of `selectin` loads changes from
    process to process: a statement's ordinal would mean another one in a replay, and what one load
    brings another need not fetch, so that even counts may differ. Any order is right; without this
    private attribute ordinals and counts hold for one process only.
    """
    registries: Any = getattr(sys.modules.get("sqlalchemy.orm.mapper"), "_all_registries", tuple)
    for mapper in (one for registry in registries() for one in registry.mappers):
        known = getattr(mapper, "_prop_set", None)
        if mapper.configured and isinstance(known, (set, frozenset)):
            vars(mapper)["_prop_set"] = OrderedSet(mapper.attrs)
