"""What recording costs: instructions per statement, recorded against bare, in one run.

    python benchmarks/recorder_overhead.py            instructions, counted by valgrind (minutes)
    python benchmarks/recorder_overhead.py --seconds  processor time instead (seconds, noisy)
    python benchmarks/recorder_overhead.py --memory   growth over 200,000 repeated statements

The work: ORM selects by primary key, lazy loads, add and flush, in the proportion 10 : 1 : 1, from
25 frames of user code deep, on SQLite in memory. Each mode runs in a process of its own at two
sizes; the difference divided by the statements leaves start-up, imports and compilation out.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

SMALL, LARGE = 20, 120  # rounds of 12 statements
DEPTH = 25
ROUND = 12
MODES = ("bare", "recorded", "two empty listeners")


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
    if mode == "recorded":
        from auditor.runtime.recorder import record  # lazy: the bare mode is without it

        block: Any = record()
    else:
        block = nullcontext()
    if mode == "two empty listeners":
        from sqlalchemy import event  # lazy: this mode only

        for name in ("before_cursor_execute", "after_cursor_execute"):
            event.listen(work.engine, name, lambda *_: None)  # type: ignore[attr-defined]
    with block as recording:
        started, peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        work(rounds)
        used = time.process_time() - started
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    counted = recording.tape.statements if recording is not None else rounds * ROUND
    print(f"{used} {growth} {counted}")


def instructions(mode: str, rounds: int) -> int:
    """Instructions of one process, counted by cachegrind."""
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
            env=_environment(),
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


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONHASHSEED": "0"}


def main() -> None:
    """Prints a table, one line for each mode."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--mode", choices=MODES)
    parser.add_argument("--rounds", type=int, default=LARGE)
    wanted = parser.parse_args()
    if wanted.mode:
        run(wanted.mode, wanted.rounds)
    elif wanted.memory:
        for mode in MODES[:2]:
            _, growth, counted = _printed(mode, 200_000 // ROUND + 1)
            print(f"{mode:<20} {int(growth) / 1024:8.2f} MiB over {int(counted):,} statements")
    else:
        by_clock = wanted.seconds or shutil.which("valgrind") is None
        compare(seconds if by_clock else instructions, "s" if by_clock else "instructions")


def compare(measure: Callable[[str, int], float], unit: str) -> None:
    """Measures all modes and prints cost per statement and the ratio to bare."""
    small, large = (SMALL, LARGE) if unit == "instructions" else (200, 1200)
    bare = 0.0
    for mode in MODES:
        each = (measure(mode, large) - measure(mode, small)) / ((large - small) * ROUND)
        bare = bare or each
        shown = f"{each:,.0f}" if unit == "instructions" else f"{each * 1e6:.1f} us"
        print(f"{mode:<20} {shown:>10} per statement  x{each / bare:.3f}", flush=True)


if __name__ == "__main__":
    main()
