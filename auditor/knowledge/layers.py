"""What tells by its name alone that a call works with the database, where it cannot be followed.

    self.db.owner_get(context, key)          a layer, handed the request: it reads
    models.Trial.where_study(key, session)   a verb for reading, handed a session

A row says with which names, and shows texts that it means (`samples`) and does not (`near_misses`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LayerRow:
    """An object that stands for all functions of a project's database layer. It is meant when a
    call's owner is called like one of `owners` and its first argument like one of `handed`."""

    owners: frozenset[str]
    handed: frozenset[str]
    source: str
    samples: tuple[str, ...]
    near_misses: tuple[str, ...]

    def is_meant(self, func: Sequence[str], first: Sequence[str]) -> bool:
        """Whether the call of a path, with the path of its first argument, is of this layer."""
        return bool(set(func[-2:-1]) & self.owners) and bool(set(first[-1:]) & self.handed)


@dataclass(frozen=True, slots=True)
class VerbRow:
    """Words in the name of a function, by what a function so named does. A name whose last word is
    in `makers` only makes what others run."""

    does: str
    words: frozenset[str]
    makers: frozenset[str]
    samples: tuple[str, ...]
    near_misses: tuple[str, ...]

    def is_meant(self, name: str) -> bool:
        """Whether a function of this name does so."""
        words = name.lower().strip("_").split("_")
        return not self.words.isdisjoint(words) and words[-1] not in self.makers


LAYERS: tuple[LayerRow, ...] = (
    LayerRow(
        frozenset(("db", "_db", "db_api", "_db_api", "dbapi", "_dbapi", "IMPL")),
        frozenset(("context", "_context", "ctxt", "ctx", "admin_context", "elevated")),
        "https://docs.openstack.org/oslo.db/latest/user/usage.html",
        (
            "self.db.owner_get(context, key)",
            "db_api.owner_update(ctxt, key, values)",
            "IMPL.owner_destroy(self.admin_context, key)",
        ),
        (
            "self.db.get(key)",
            "self.cache.owner_get(context, key)",
            "owner_get(context, key)",
            "self.db.owner.get_name(context)",
        ),
    ),
)
"""The database API of OpenStack: each function takes the context of the request first."""

READS = VerbRow(
    "reads",
    frozenset(
        ("get", "find", "list", "load", "fetch", "query", "where", "exists", "count", "search",
         "lookup", "select", "read", "all", "first")
    ),
    frozenset(("query", "filter", "filters", "select", "statement", "stmt", "factory", "maker")),
    ("owner_get", "get_all_by_host", "_where_study", "query_owners"),
    ("model_query", "get_list_stmt", "budget_for", "get_session_factory"),
)  # fmt: skip
WRITES = VerbRow(
    "writes",
    frozenset(("create", "insert", "update", "delete", "destroy", "set", "save", "remove")),
    frozenset(("query", "statement", "stmt", "values")),
    ("owner_update", "create_owner", "_set_state"),
    ("settings_get", "updated_since", "update_values"),
)
