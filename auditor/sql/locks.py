"""Which tables' existing rows a statement locks until its transaction ends."""

from __future__ import annotations

_LOCKING_READS = (" FOR UPDATE", " FOR NO KEY UPDATE", " FOR SHARE", " LOCK IN SHARE MODE")
_UPSERTS = (" ON CONFLICT", " ON DUPLICATE KEY")


def is_locking_read(shape: str) -> bool:
    """Says whether a SELECT locks the rows it reads."""
    return any(mark in shape for mark in _LOCKING_READS)


def locked_tables(
    shape: str, verb: str, tables: tuple[str, ...], *, is_locking: bool
) -> tuple[str, ...]:
    """The tables of which rows that exist are locked: the one that is updated or deleted from, the
    one of an upsert, all of a locking read. A plain INSERT locks only what nobody else can see."""
    if verb in {"UPDATE", "DELETE", "MERGE", "REPLACE"}:
        return tables[:1]
    if verb == "INSERT":
        return tables[:1] if any(mark in shape for mark in _UPSERTS) else ()
    return tables if is_locking else ()
