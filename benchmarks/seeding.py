"""How long `auditor.seed` takes for a million rows of related tables, against the bare insert.

    python benchmarks/seeding.py [ROWS] [URL...]

The bare insert writes the same rows, made beforehand: `executemany` of sqlite3, `COPY` by
psycopg. Both commit to an empty database of their own, alternately, in this process; the medians
are compared. Memory is the peak of a fresh process that seeds, above one that seeds a hundredth.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

import auditor
from auditor.backends.scratch import open_scratch

ROUNDS = 3
METADATA = sa.MetaData()
sa.Table(
    "customers",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("email", sa.String(120), nullable=False, unique=True),
)
sa.Table(
    "orders",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("customer_id", sa.ForeignKey("customers.id"), nullable=False, index=True),
    sa.Column("status", sa.Enum("open", "paid", "sent", name="order_status"), nullable=False),
    sa.Column("total", sa.Numeric(12, 2), nullable=False),
)
sa.Table(
    "order_lines",
    METADATA,
    sa.Column("order_id", sa.ForeignKey("orders.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("article", sa.String(40), nullable=False),
    sa.Column("amount", sa.Integer, nullable=False),
)


def sizes(rows: int) -> dict[str, int]:
    """The rows in all, spread over the three tables."""
    customers, orders = rows // 100, rows * 19 // 100
    return {
        "customers": customers,
        "orders": orders,
        "order_lines": rows - customers - orders,
    }


def engine_of(url: str) -> sa.Engine:
    """An engine whose tables are there and empty."""
    engine = sa.create_engine(url, poolclass=NullPool)
    METADATA.create_all(engine)
    return engine


def made_rows(engine: sa.Engine) -> dict[str, list[tuple[Any, ...]]]:
    """All rows that were seeded, as the bare driver gives them."""
    with engine.connect() as connection:
        cursor = connection.connection.cursor()
        found = {}
        for table in METADATA.sorted_tables:
            cursor.execute(f"SELECT * FROM {table.name}")  # noqa: S608  our own name
            found[table.name] = cursor.fetchall()
        return found


def bare_insert(engine: sa.Engine, rows: dict[str, list[tuple[Any, ...]]]) -> None:
    """The fastest that the driver offers for rows that are there already."""
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT 1"))
        cursor: Any = connection.connection.cursor()
        for table, values in rows.items():
            if engine.dialect.name == "postgresql":
                with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                    for value in values:
                        copy.write_row(value)
            else:
                marks = ", ".join("?" * len(values[0]))
                cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608


def seconds(url: str, work: Any) -> float:
    """The time of one piece of work on an empty database."""
    with open_scratch(url) as database:
        engine = engine_of(database.url)
        start = time.perf_counter()
        work(engine)
        return time.perf_counter() - start


def peak_bytes(url: str, rows: int) -> int:
    """The peak memory of a process of its own that seeds."""
    arguments = [sys.executable, __file__, "--peak", str(rows), url]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1])


def own_peak_bytes() -> int:
    """The peak of this process. What `getrusage` says includes the parent's before `exec`."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def compare(url: str, rows: int) -> None:
    """Print the times of both, their ratio and the growth of the peak."""
    with open_scratch(url) as database:
        engine = engine_of(database.url)
        auditor.seed(engine, METADATA, sizes(rows))
        made = made_rows(engine)
    seeded, bare = [], []
    for _ in range(ROUNDS):
        seeded.append(seconds(url, lambda engine: auditor.seed(engine, METADATA, sizes(rows))))
        bare.append(seconds(url, lambda engine: bare_insert(engine, made)))
    ours, theirs = statistics.median(seeded), statistics.median(bare)
    growth = (peak_bytes(url, rows) - peak_bytes(url, rows // 100)) / 2**20
    print(
        f"{url}: {rows} rows: seed {ours:.2f} s, bare insert {theirs:.2f} s,"
        f" ratio {ours / theirs:.2f}; peak memory {growth:+.1f} MiB against a hundredth of the rows"
    )


def main() -> None:
    """Compare on every URL given."""
    if sys.argv[1:2] == ["--peak"]:
        with open_scratch(sys.argv[3]) as database:
            auditor.seed(engine_of(database.url), METADATA, sizes(int(sys.argv[2])))
        print(own_peak_bytes())
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    for url in sys.argv[2:] or ["sqlite://", "postgresql"]:
        compare(url, rows)


if __name__ == "__main__":
    main()
