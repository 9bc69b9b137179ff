"""Tells whether a read was made before in its transaction: the same text with the same values, and
no write since.

Values are hashed where they are and never kept; a transaction remembers at most `MOST_KEPT` hashes
and begins anew when it has as many. What cannot be hashed was never made before.
"""

from __future__ import annotations

from typing import Any

from auditor.runtime.statements import StatementFacts
from auditor.runtime.transactions import Unit

MOST_KEPT = 1024  # reads of one transaction, about 60 kB
_CHANGES_NOTHING = frozenset({"SAVEPOINT", "RELEASE"})


def is_repeated(facts: StatementFacts, unit: Unit, statement: str, context: Any) -> bool:
    """Says whether this is a read that was made before, and remembers it for the next one. A write,
    the end of a savepoint, all but reads make what was read before count no more."""
    if not facts.is_read:
        if unit.seen is not None and facts.verb not in _CHANGES_NOTHING:
            unit.seen = None
        return False
    try:
        values = context.parameters[0]
        if type(values) is not tuple:
            values = tuple(values.values() if isinstance(values, dict) else values)
        mark = hash((statement, values))
    except Exception:  # noqa: BLE001 - a list, JSON, or a __hash__ of the program's own that raises
        return False
    seen = unit.seen
    if seen is None:
        unit.seen = {mark}
        return False
    if mark in seen:
        return _can_tell(values) and not _is_asked_again(context)
    if len(seen) >= MOST_KEPT:
        seen.clear()
    seen.add(mark)
    return False


def _can_tell(values: tuple[Any, ...]) -> bool:
    """Says whether equal hashes mean equal values: not where the hash is only an address, and not
    for -1 and -2, which have one hash."""
    by_address: Any = object.__hash__
    return all(type(each).__hash__ is not by_address and each not in {-1, -2} for each in values)


def _is_asked_again(context: Any) -> bool:
    """Says whether the program wants to see the newest state: `populate_existing`, `refresh()`, and
    connections on which each statement is a transaction."""
    options = context.execution_options or {}
    loads = options.get("_sa_orm_load_options")
    if options.get("populate_existing") or getattr(loads, "_populate_existing", False):
        return True
    if getattr(loads, "_refresh_state", None) is not None:
        return True
    is_autocommit = getattr(context.root_connection, "_is_autocommit_isolation", None)
    return bool(is_autocommit is not None and is_autocommit())
