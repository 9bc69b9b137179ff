"""How many planted defects get their verdict, and how many correct twins are accused.

    python benchmarks/planted_faults.py [--db sqlite] [--db postgresql] [--db mysql] [PAIR...]

Sweeps every pair of `sample_schemas/planted`, or those named, on each database (servers are
started, one of each kind). The exit status is 1 if a verdict was wrong or a twin accused. The last
results: docs/planted.md.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from auditor.backends.scratch import open_scratch
from auditor.model.errors import AuditorError

DIALECTS = ("sqlite", "postgresql", "mysql")
sys.path.insert(0, str(Path(__file__).parent.parent / "sample_schemas"))


@contextmanager
def server_for(dialect: str) -> Iterator[str]:
    """The URL to sweep on: of a server that lasts for the block, or of SQLite."""
    if dialect == "sqlite":
        yield "sqlite://"
        return
    with open_scratch(f"{dialect}://") as scratch:
        server = make_url(scratch.url).set(database=None)
        yield server.render_as_string(hide_password=False)


def counted(dialect: str, pairs: Sequence[Any]) -> tuple[int, int, int]:
    """Pairs swept, mutants told rightly, twins accused; each failure is printed."""
    told = importlib.import_module("planted.told").told
    right = accused = 0
    with server_for(dialect) as database:
        for pair in pairs:
            try:
                found = told(pair, dialect, database)
            except AuditorError as error:
                print(f"{dialect}: {pair.name}: {error}")
                continue
            right += found.is_right
            accused += bool(found.alarms)
            if not found.is_right:
                print(f"{dialect}: {pair.name}: {found.said}, and {found.wanted} is right")
            for one in found.alarms:
                said = f"{one.verdict.value} at {one.statement} with {one.fault}"
                print(f"{dialect}: {pair.twin.name}: {said}: {one.note or one.escaped}")
    return len(pairs), right, accused


def main() -> int:
    """Sweep, count, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pairs", nargs="*", metavar="PAIR")
    parser.add_argument("--db", action="append", choices=DIALECTS, metavar="DIALECT")
    options = parser.parse_args()
    every = importlib.import_module("planted.table").pairs()
    chosen = [one for one in every if not options.pairs or one.name in options.pairs]
    failures = 0
    for dialect in options.db or DIALECTS:
        pairs = [one for one in chosen if dialect not in one.lacks]
        swept, right, accused = counted(dialect, pairs)
        share = 100 * right / swept if swept else 0.0
        print(f"{dialect}: {right} of {swept} right ({share:.1f} %), {accused} twins accused")
        failures += swept - right + accused
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
