"""What recording costs: instructions per statement, recorded against bare, in one run.

    python benchmarks/recorder_overhead.py            instructions, counted by valgrind (minutes)
    python benchmarks/recorder_overhead.py --seconds  processor time instead (seconds, noisy)
    python benchmarks/recorder_overhead.py --memory   growth over 200,000 repeated statements
    ... --only recorded --only pytest-queryguard      these, and bare
    ... --rounds 2000                                 24,000 statements (with valgrind: an hour)

`recorded` has sites, relations and rows fetched, `recorded without rows` all but the last. Peers
that tell sites too are measured where they are installed (`pip install pytest-queryguard queryspy
pytest-querycount`), each through what its own tests use.

The work: ORM selects by primary key, lazy loads, add and flush, in the proportion 10 : 1 : 1, from
25 frames of user code deep, on SQLite in memory. Each mode runs in a process of its own at two
sizes; the difference divided by the statements leaves start-up, imports and compilation out.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SMALL, LARGE = 20, 120  # rounds of 12 statements
SEEDS = (0, 1, 2, 3)
DEPTH = 25
ROUND = 12
BARE, RECORDED, WITHOUT_ROWS = "bare", "recorded", "recorded without rows"
LISTENERS = "two empty listeners"
PEERS = {
    "pytest-queryguard": "pytest_queryguard",
    "queryspy": "queryspy",
    "pytest-querycount": "pytest_querycount",
}
"""Peers that tell the user's line of each statement, by the module that tells they are there."""
MODES = (BARE, RECORDED, WITHOUT_ROWS, LISTENERS, *PEERS)


def deep(depth: int, call: Callable[[], Any]) -> Any:
    """Calls from `depth` frames further in."""
    return deep(depth - 1, call) if depth else call()


def workload() -> Callable[[int], None]:
    """Sets a database up and gives the work, as a function of the number of rounds."""
    from sqlalchemy import ForeignKey, Integer, String, create_engine, select  # lazy: after fork
    from sqlalchemy.orm import Session, declarative_base, mapped_column, relationship  # lazy

    base: Any = declarative_base()

    class Parent(base):  # type: ignore[misc]
        __tablename__ = "parent"
        id = mapped_column(Integer, primary_key=True)
        name = mapped_column(String(20))
        children = relationship("Child")

    class Child(base):  # type: ignore[misc]
        __tablename__ = "child"
        id = mapped_column(Integer, primary_key=True)
        parent_id = mapped_column(ForeignKey("parent.id"))

    engine = create_engine("sqlite://")
    base.metadata.create_all(engine)
    session = Session(engine)
    session.add_all(Parent(id=number, name="x", children=[Child()]) for number in range(1, 11))
    session.commit()
    parents = list(session.scalars(select(Parent)))

    def once(number: int) -> None:
        for each in range(1, 11):
            session.scalars(select(Parent).where(Parent.id == each)).one()
        parent = parents[number % 10]
        session.expire(parent, ["children"])
        len(parent.children)
        child = Child()
        session.add(child)
        session.flush()

    def work(rounds: int) -> None:
        for number in range(rounds):
            deep(DEPTH, lambda number=number: once(number))  # type: ignore[misc]

    work.engine = engine  # type: ignore[attr-defined]
    return work


def run(mode: str, rounds: int) -> None:
    """One measured process."""
    work = workload()
    work(5)
    if mode == LISTENERS:
        from sqlalchemy import event  # lazy: this mode only

        for name in ("before_cursor_execute", "after_cursor_execute"):
            event.listen(work.engine, name, lambda *_: None)  # type: ignore[attr-defined]
    block = block_of(mode)
    with block as recording:
        work(5)
        gc.collect()
        gc.freeze()  # so that no full collection falls into one size and not into the other
        started, peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        work(rounds)
        used = time.process_time() - started
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    is_ours = mode in {RECORDED, WITHOUT_ROWS}
    counted = recording.tape.statements - 5 * ROUND if is_ours else rounds * ROUND
    print(f"{used} {growth} {counted}")


def block_of(mode: str) -> Any:
    """What a mode has around the work."""
    if mode in {RECORDED, WITHOUT_ROWS}:
        from auditor.runtime import lane  # lazy: the bare mode is without it
        from auditor.runtime.recorder import record  # lazy: likewise

        if mode == WITHOUT_ROWS:
            lane.count_rows = lambda *_: None  # type: ignore[assignment]
        return record()
    if mode == "pytest-queryguard":
        from pytest_queryguard import record_queries  # lazy: this mode only

        return record_queries()
    if mode == "queryspy":
        from queryspy import record as spied  # lazy: this mode only

        return spied()
    if mode == "pytest-querycount":
        return _querycount()
    return nullcontext()


@contextmanager
def _querycount() -> Iterator[Any]:
    from pytest_querycount import backends  # lazy: this mode only
    from pytest_querycount.recorder import Recorder  # lazy: likewise

    backends.install_all()
    recorder = Recorder()
    backends.push(recorder)
    try:
        yield recorder
    finally:
        backends.pop(recorder)


def instructions(mode: str, rounds: int) -> float:
    """Instructions of a process, counted by cachegrind: the mean over several hash seeds, since
    where objects lie and how names hash is worth some per cent."""
    return sum(_instructions(mode, rounds, seed) for seed in SEEDS) / len(SEEDS)


def _instructions(mode: str, rounds: int, seed: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        given = subprocess.run(
            [
                "valgrind",
                "--tool=cachegrind",
                "--cache-sim=no",
                f"--cachegrind-out-file={folder}/out",
                *_command(mode, rounds),
            ],
            check=True,
            capture_output=True,
            text=True,
            env=_environment(seed),
        )
    found = re.search(r"I\s+refs:\s+([\d,]+)", given.stderr)
    if found is None:
        sys.exit(f"valgrind said nothing of instructions: {given.stderr[-500:]}")
    return int(found[1].replace(",", ""))


def seconds(mode: str, rounds: int) -> float:
    """Processor seconds of the measured part: the least of five processes."""
    return min(float(_printed(mode, rounds)[0]) for _ in range(5))


def _printed(mode: str, rounds: int) -> list[str]:
    return subprocess.run(
        _command(mode, rounds), check=True, capture_output=True, text=True, env=_environment()
    ).stdout.split()


def _command(mode: str, rounds: int) -> list[str]:
    return [sys.executable, str(Path(__file__)), "--mode", mode, "--rounds", str(rounds)]


def _environment(seed: int = 0) -> dict[str, str]:
    return {**os.environ, "PYTHONHASHSEED": str(seed)}


def main() -> None:
    """Prints a table, one line for each mode."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--mode", choices=MODES)
    parser.add_argument("--only", action="append", choices=MODES)
    parser.add_argument("--rounds", type=int, default=LARGE)
    wanted = parser.parse_args()
    if wanted.mode:
        run(wanted.mode, wanted.rounds)
    elif wanted.memory:
        for mode in (BARE, RECORDED):
            _, growth, counted = _printed(mode, 200_000 // ROUND + 1)
            print(f"{mode:<20} {int(growth) / 1024:8.2f} MiB over {int(counted):,} statements")
    else:
        by_clock = wanted.seconds or shutil.which("valgrind") is None
        here = [mode for mode in MODES if mode not in PEERS or find_spec(PEERS[mode])]
        modes = [mode for mode in here if not wanted.only or mode in {BARE, *wanted.only}]
        if by_clock:
            compare(modes, seconds, "s", max(1200, wanted.rounds))
        else:
            compare(modes, instructions, "instructions", wanted.rounds)


def compare(
    modes: Sequence[str], measure: Callable[[str, int], float], unit: str, large: int
) -> None:
    """Measures modes and prints cost per statement and the ratio to bare."""
    small = SMALL if unit == "instructions" else 200
    bare = 0.0
    for mode in modes:
        each = (measure(mode, large) - measure(mode, small)) / ((large - small) * ROUND)
        bare = bare or each
        shown = f"{each:,.0f}" if unit == "instructions" else f"{each * 1e6:.1f} us"
        print(f"{mode:<20} {shown:>10} per statement  x{each / bare:.3f}", flush=True)


if __name__ == "__main__":
    main()
