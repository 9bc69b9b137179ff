"""The connections of a program's pools: seen when they are taken out, and ended as a server would.

A session is ended by another one, `pg_terminate_backend` or `KILL`, so that the program's side
finds out as it does in production: by the next thing that it sends, be that a ping of the pool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import sleep, time
from typing import Any

from sqlalchemy.pool import base as pool_base

from auditor.model.errors import AuditorError
from auditor.runtime.seam import Patches

_LOOKS = 500
_BETWEEN_LOOKS = 0.01  # seconds; a server needs a few milliseconds to end a session

_ENDS = {
    "postgresql": "SELECT pg_terminate_backend({number})",
    "mysql": "KILL {number}",
}
_IS_THERE = {
    "postgresql": "SELECT 1 FROM pg_stat_activity WHERE pid = {number}",
    "mysql": "SELECT 1 FROM information_schema.processlist WHERE id = {number}",
}


@contextmanager
def watched_checkouts(
    asked: Callable[[Any], None], given: Callable[[Any, Any, bool], None]
) -> Iterator[None]:
    """Call `asked(pool)` before any pool gives a connection, and `given(pool, record, was_idle)`
    after, before the pool pings it. `was_idle`: it had been connected before. What `asked` raises
    is the program's to see."""
    record = pool_base._ConnectionRecord  # noqa: SLF001 - what all pools hand out
    inherited = vars(record)["checkout"].__func__

    def checkout(cls: Any, pool: Any) -> Any:
        asked(pool)
        began = time()
        fairy = inherited(cls, pool)
        kept = fairy._connection_record  # noqa: SLF001
        given(pool, kept, kept.starttime < began)
        return fairy

    patches = Patches()
    patches.put(record, "checkout", classmethod(checkout))
    try:
        yield
    finally:
        patches.undo()


def end_session(pool: Any, raw: Any, dialect: str) -> None:
    """Have the server end the session of a driver's connection, from another one that the pool's
    own creator makes. Returns when it is gone. Raises AuditorError if it stays."""
    number = int(_number_of(raw))
    other = pool._invoke_creator(None)  # noqa: SLF001 - as the pool connects, which is not to know
    try:
        _said(other, _ENDS[dialect].format(number=number))
        for _ in range(_LOOKS):
            if not _said(other, _IS_THERE[dialect].format(number=number)):
                return
            sleep(_BETWEEN_LOOKS)
    finally:
        other.close()
    raise AuditorError(f"the server was asked to end its session {number}, and it is still there")


def _number_of(raw: Any) -> Any:
    """The server's number of a session. Raises AuditorError if the driver does not tell it."""
    driver = getattr(raw, "_connection", raw)  # that of an async driver
    if hasattr(driver, "info") and hasattr(driver.info, "backend_pid"):
        return driver.info.backend_pid
    for name in ("thread_id", "get_server_pid"):
        if hasattr(driver, name):
            return getattr(driver, name)()
    raise AuditorError(f"`{type(driver).__module__}` does not tell the number of its session")


def _said(raw: Any, sql: str) -> bool:
    """Whether the server gives a row; each time from the present, not from a snapshot."""
    cursor = raw.cursor()
    try:
        cursor.execute(sql)
        return cursor.description is not None and cursor.fetchone() is not None
    finally:
        cursor.close()
        raw.rollback()
