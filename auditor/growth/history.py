"""The history of laws in a database: SQLite in a file, or a server by its URL.

    auditor_history          version
    auditor_history_run      id, recorded, revision, tool                 one row a run
    auditor_history_law      run, scenario, database, measure, law, seconds   one row a law

A run is written in one transaction, or not at all. A refused law is written as an empty one, so
that a gap in the trend is seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from auditor.backends.masking import masked
from auditor.model.errors import AuditorError
from auditor.model.law import LawResult

VERSION = 1
_SECONDS_TO_WAIT = 60
_SQLITE = b"SQLite format 3\x00"
_LOCK = 7_320_917_264
"""The advisory lock on PostgreSQL while the tables are made; any number that nobody else uses."""

_METADATA = sa.MetaData()
_VERSION = sa.Table("auditor_history", _METADATA, sa.Column("version", sa.Integer, nullable=False))
_RUN = sa.Table(
    "auditor_history_run",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("recorded", sa.String(32), nullable=False),
    sa.Column("revision", sa.String(64), nullable=False),
    sqlite_autoincrement=True,
)
_LAW = sa.Table(
    "auditor_history_law",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run", sa.ForeignKey(_RUN.c.id, ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("scenario", sa.String(255), nullable=False),
    sa.Column("database_name", sa.String(255), nullable=False),
    sa.Column("measure", sa.String(32), nullable=False),
    sa.Column("law", sa.Text, nullable=False),
    sa.Column("seconds", sa.Float),
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A law as it was recorded: `revision` is a commit, with `+` behind it if files were changed;
    `law` is empty where none was given; `seconds` the median at the largest sizes, if it was asked
    for."""

    recorded: str
    revision: str
    scenario: str
    database: str
    measure: str
    law: str
    seconds: float | None = None


def append(
    place: str, results: Sequence[LawResult], revision: str, *, now: datetime | None = None
) -> None:
    """Add a run to the history. Raises AuditorError if that is not possible; then nothing was."""
    recorded = (now or datetime.now(timezone.utc)).isoformat(timespec="seconds")
    with _opened(place, writing=True) as connection:
        row = connection.execute(_RUN.insert().values(recorded=recorded, revision=revision))
        run = row.inserted_primary_key[0]  # type: ignore[index]  # the table has one key
        rows = [row for result in results for row in _rows(result)]
        if rows:
            connection.execute(_LAW.insert(), [{**row, "run": run} for row in rows])


def read(place: str) -> tuple[Recorded, ...]:
    """All that was recorded, oldest first. Raises AuditorError if there is no history."""
    with _opened(place, writing=False) as connection:
        rows = connection.execute(
            sa.select(
                _RUN.c.recorded,
                _RUN.c.revision,
                _LAW.c.scenario,
                _LAW.c.database_name,
                _LAW.c.measure,
                _LAW.c.law,
                _LAW.c.seconds,
            )
            .join_from(_LAW, _RUN, _LAW.c.run == _RUN.c.id)
            .order_by(_RUN.c.id, _LAW.c.id)
        )
        return tuple(Recorded(*row) for row in rows)


def refuse_unusable(place: str) -> None:
    """Say before the work what would fail after it. Raises AuditorError."""
    with _opened(place, writing=True):
        return


def _rows(result: LawResult) -> Iterator[dict[str, object]]:
    seconds = result.timings[-1].median if result.timings else None
    head = {"scenario": result.scenario, "database_name": result.database}
    law = "" if result.law is None else str(result.law)
    yield {**head, "measure": "statements", "law": law, "seconds": seconds}
    for one in result.measures:
        law = "" if one.law is None else str(one.law)
        yield {**head, "measure": one.measure, "law": law, "seconds": None}


@contextmanager
def _opened(place: str, *, writing: bool) -> Iterator[sa.Connection]:
    """A connection in one transaction, the tables made if they are to be written. Raises
    AuditorError, with the place masked."""
    engine = _engine(place, writing=writing)
    try:
        with engine.connect() as connection, connection.begin():
            if writing:
                _make(connection, place)
            else:
                _refuse_other(connection, place)
            yield connection
    except (sa.exc.SQLAlchemyError, OSError) as error:
        said = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise AuditorError(f"the history `{_shown(place)}` cannot be used: {said}") from error
    finally:
        engine.dispose()


def _engine(place: str, *, writing: bool) -> sa.Engine:
    place = place.removeprefix("sqlite:///")
    try:
        if "://" in place:
            return sa.create_engine(place, future=True, poolclass=NullPool)
        _refuse_other_file(Path(place), writing=writing)
        url = sa.engine.URL.create("sqlite", database=place)
        engine = sa.create_engine(
            url, future=True, poolclass=NullPool, connect_args={"timeout": _SECONDS_TO_WAIT}
        )
    except (sa.exc.SQLAlchemyError, ImportError, ValueError) as error:
        raise AuditorError(f"the history `{_shown(place)}` cannot be opened: {error}") from error
    if writing:
        _begin_to_write(engine)
    return engine


def _begin_to_write(engine: sa.Engine) -> None:
    """SQLite's driver begins transactions late; a writer that has read first may find that another
    was faster, and fails. This one waits its turn before it reads."""

    @sa.event.listens_for(engine, "connect")
    def connect(connection: object, _: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]  # of sqlite3

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _make(connection: sa.Connection, place: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    tables = sa.inspect(connection).get_table_names()
    if _VERSION.name in tables:
        _refuse_other(connection, place)
        return
    if tables and connection.dialect.name == "sqlite":
        raise AuditorError(
            f"`{place}` is a database of something else: it holds tables ({len(tables)}, such as"
            f" `{tables[0]}`); name a new file for the history"
        )
    _METADATA.create_all(connection)
    connection.execute(_VERSION.insert().values(version=VERSION))


def _refuse_other(connection: sa.Connection, place: str) -> None:
    if _VERSION.name not in sa.inspect(connection).get_table_names():
        raise AuditorError(
            f"`{_shown(place)}` holds no history of laws: `auditor profile --history` writes one"
        )
    found = connection.execute(sa.select(_VERSION.c.version)).scalar()
    if found != VERSION:
        raise AuditorError(
            f"the history `{_shown(place)}` has version {found}; this auditor writes {VERSION}:"
            " name another place, or use the auditor that wrote it"
        )


def _refuse_other_file(path: Path, *, writing: bool) -> None:
    """Refuse what is there and no SQLite file, and what is to be read and not there."""
    try:
        with path.open("rb") as file:
            head = file.read(len(_SQLITE))
    except FileNotFoundError as error:
        if writing and path.absolute().parent.is_dir():
            return
        what = "file" if path.absolute().parent.is_dir() else "folder"
        raise AuditorError(
            f"the history `{path}` cannot be used: there is no such {what}"
        ) from error
    except OSError as error:
        raise AuditorError(f"the history `{path}` cannot be used: {error.strerror}") from error
    if head not in (_SQLITE, b""):
        raise AuditorError(f"`{path}` is no SQLite file: name another one for the history")


def _shown(place: str) -> str:
    return masked(place) if "://" in place else place
