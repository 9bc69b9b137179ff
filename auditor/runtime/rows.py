"""Counts rows as they are fetched, by standing between a result and its cursor strategy.

SQLAlchemy reads all rows through a strategy object; giving the execution context one of ours
before the result is made costs two Python calls a result and sees first(), yield_per and partial
reads as what they are. Rows of an `INSERT` that SQLAlchemy 2 sends in pages are counted page by
page. Rows read inside SQLAlchemy's own `RETURNING` handling of a flush are not counted: whether
there are any depends on the database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.engine import cursor as sa_cursor

from auditor.runtime.cells import ROWS, Cell

_DEFAULT: Any = sa_cursor._DEFAULT_FETCH  # noqa: SLF001 - the strategy all plain results share


class CountedRows(sa_cursor.CursorFetchStrategy):
    """Fetches like the strategy it stands for and adds the number of rows to the cells."""

    __slots__ = ("cells", "inner")

    def __init__(self, inner: Any, cells: Sequence[Cell]) -> None:
        self.inner = inner
        self.cells = cells

    @property
    def alternate_cursor_description(self) -> Any:  # type: ignore[override]
        return self.inner.alternate_cursor_description

    def _count(self, number: int) -> None:
        for cell in self.cells:
            cell[ROWS] += number

    def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
        rows = self.inner.fetchall(result, dbapi_cursor)
        for cell in self.cells:
            cell[ROWS] += len(rows)
        return rows

    def fetchone(self, result: Any, dbapi_cursor: Any, hard_close: bool = False) -> Any:  # noqa: FBT001, FBT002 - SQLAlchemy's signature
        row = self.inner.fetchone(result, dbapi_cursor, hard_close)
        if row is not None:
            self._count(1)
        return row

    def fetchmany(self, result: Any, dbapi_cursor: Any, size: int | None = None) -> Any:
        rows = self.inner.fetchmany(result, dbapi_cursor, size)
        self._count(len(rows))
        return rows

    def yield_per(self, result: Any, dbapi_cursor: Any, num: int) -> None:
        """Lets the inner strategy install its buffer, and stands before that one."""
        self.inner.yield_per(result, dbapi_cursor, num)
        if result.cursor_strategy is not self:
            result.cursor_strategy = CountedRows(result.cursor_strategy, self.cells)

    def soft_close(self, result: Any, dbapi_cursor: Any) -> None:
        self.inner.soft_close(result, dbapi_cursor)

    def hard_close(self, result: Any, dbapi_cursor: Any) -> None:
        self.inner.hard_close(result, dbapi_cursor)

    def handle_exception(self, result: Any, dbapi_cursor: Any, err: BaseException) -> Any:
        self.inner.handle_exception(result, dbapi_cursor, err)


def count_rows(context: Any, cells: Sequence[Cell]) -> None:
    """Counts what will be fetched from the result of `context` into `cells`."""
    strategy = context.cursor_fetch_strategy
    if type(strategy) is CountedRows or _is_own_returning(context):
        return
    if context.isinsert and _comes_in_pages(context):
        context.fetchall_for_returning = _counted_pages(context, cells)
        return
    if strategy is _DEFAULT and _streams(context):
        strategy = sa_cursor.BufferedRowCursorFetchStrategy(
            context.cursor, context.execution_options
        )
    context.cursor_fetch_strategy = CountedRows(strategy, cells)


def _comes_in_pages(context: Any) -> bool:
    """Says whether SQLAlchemy 2 reads rows of an `INSERT` in pages, before there is a result."""
    return bool(context.executemany) and hasattr(context, "fetchall_for_returning")


def _counted_pages(context: Any, cells: Sequence[Cell]) -> Callable[[Any], Any]:
    fetch = type(context).fetchall_for_returning

    def fetchall_for_returning(cursor: Any) -> Any:
        rows = fetch(context, cursor)
        for cell in cells:
            cell[ROWS] += len(rows)
        return rows

    return fetchall_for_returning


def _streams(context: Any) -> bool:
    """Says whether SQLAlchemy itself would read this result through a growing buffer."""
    return bool(
        context._is_server_side  # noqa: SLF001 - the same question SQLAlchemy asks
        or context.execution_options.get("stream_results", False)
    )


def _is_own_returning(context: Any) -> bool:
    """Says whether rows come from a write only because SQLAlchemy itself wants generated values."""
    if not (context.isinsert or context.isupdate or context.isdelete):
        return False
    asked = ("_is_explicit_returning", "_is_supplemental_returning")  # the second: ORM bulk inserts
    return not any(getattr(context, name, False) for name in asked)
