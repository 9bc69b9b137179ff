"""Runs unit tests of Neutron without and with the recorder: outcomes, time, counts.

    python benchmarks/neutron_units.py CHECKOUT VENV [--pairs 2] [--runner stestr] [--module NAME]

CHECKOUT is a source tree of Neutron; VENV an environment with it, its test requirements, pytest,
pytest-xdist and this project (`pip install -r test-requirements.txt -e CHECKOUT pytest pytest-xdist
-e .`). Each runner has two workers. A pair is one run without and one with the recorder, in turns;
one more run has the recorder and a plain listener of SQLAlchemy together. Printed are:

    outcomes    how many tests ended differently in any run, by id
    time        wall and processor seconds of each run, and the ratio of their sums
    counts      statements by test and verb, recorder against listener, in one and the same run

Exit status 1 if an outcome or a count differs; time depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

MODULES = tuple(
    f"neutron.tests.unit.{name}"
    for name in (
        "db.metering",
        "db.test_l3_db",
        "db.test_l3_dvr_db",
        "db.test_l3_hamode_db",
        "db.test_l3_extra_gws_db",
        "extensions.test_l3_ext_gw_mode",
        "objects.test_metering",
        "services.metering",
    )
)
LISTENER = Path(__file__).parent / "plain_listener"
CAPTURED = ("OS_LOG_CAPTURE", "OS_STDOUT_CAPTURE", "OS_STDERR_CAPTURE")  # as in Neutron's tox.ini
BARE, RECORDED, BOTH = "bare", "recorded", "recorded and listened to"

READ_SUBUNIT = """
import json, sys, subunit, testtools
ends = {}
def end(test):
    if test["status"] not in ("inprogress", "exists") and "process-returncode" not in test["id"]:
        ends[test["id"]] = test["status"]
into = testtools.StreamToDict(end)
into.startTestRun()
subunit.ByteStreamToStreamResult(sys.stdin.buffer, non_subunit_name="stdout").run(into)
into.stopTestRun()
print(json.dumps(ends))
"""
READ_TAPE = """
import json, pathlib, sys
from auditor.runtime.store import read
tape = read(pathlib.Path(sys.argv[1]))
print(json.dumps({
    "counted": [
        [e.test, e.verb, e.executions] for e in tape.entries if e.cause.kind.value != "ddl"
    ],
    "losses": [f"{loss.subject}: {loss.message}" for loss in tape.losses],
    "processes": tape.processes,
}))
"""

Counts = Counter[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where Neutron is, and what to run of it."""

    checkout: Path
    venv: Path
    modules: tuple[str, ...]

    def program(self, name: str) -> str:
        return str(self.venv / "bin" / name)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the tests: outcome by test id, seconds, and what was counted, if anything."""

    mode: str
    ends: Mapping[str, str]
    wall: float
    processor: float
    recorded: Counts
    heard: Counts
    losses: tuple[str, ...] = ()
    processes: int = 0


def main() -> int:
    """Run everything and print the tables; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("venv", type=Path)
    parser.add_argument("--module", action="append", help="run these instead of the usual ones")
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--runner", choices=("stestr", "pytest"), action="append")
    parser.add_argument("--keep", type=Path, help="folder for the tapes of the listened-to runs")
    wanted = parser.parse_args()
    place = Place(
        wanted.checkout.resolve(), wanted.venv.absolute(), tuple(wanted.module or MODULES)
    )
    runners = wanted.runner or ["stestr", "pytest"]
    return max([told(name, place, wanted.pairs, wanted.keep) for name in runners])


def told(runner: str, place: Place, pairs: int, keep: Path | None) -> int:
    """All runs of one runner, printed; 1 if something differs."""
    print(f"{runner}, two workers", flush=True)
    runs = []
    for number in range(pairs):
        for mode in (BARE, RECORDED) if number % 2 == 0 else (RECORDED, BARE):
            runs.append(shown(run(runner, mode, place)))  # noqa: PERF401 - minutes each
    tape = keep and keep.resolve() / f"{runner}.tape"
    runs.append(shown(run(runner, BOTH, place, tape)))
    return max(compare_outcomes(runs), compare_counts(runs[-1]), compare_times(runs))


def shown(one: Run) -> Run:
    """The run, with its line printed as soon as it is over."""
    ends = ", ".join(
        f"{number} {end}" for end, number in sorted(Counter(one.ends.values()).items())
    )
    print(
        f"  {one.mode:<26} {one.wall:7.1f} s wall {one.processor:7.1f} s processor  {ends}",
        flush=True,
    )
    return one


def run(runner: str, mode: str, place: Place, tape: Path | None = None) -> Run:
    """Runs the tests once, in a folder of its own for everything that is written."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tape = tape or folder / "run.tape"
        command = COMMANDS[runner](place, folder, tape if mode != BARE else None)
        (folder / "heard").mkdir()
        environment = _environment(place, folder / "heard" if mode == BOTH else None)
        began = time.monotonic()
        with (folder / "output").open("wb") as output:
            child = subprocess.Popen(
                command, cwd=place.checkout, env=environment, stdout=output, stderr=output
            )
            _, _, used = os.wait4(child.pid, 0)
            child.returncode = 0  # reaped here
        wall = time.monotonic() - began
        ends = ENDS[runner](place, folder)
        if not ends:
            sys.exit(f"no test ran:\n{(folder / 'output').read_text('utf-8', 'replace')[-2000:]}")
        seen = _read_tape(place, tape) if mode != BARE else {}
        return Run(
            mode=mode,
            ends=ends,
            wall=wall,
            processor=used.ru_utime + used.ru_stime,
            recorded=_counts(seen.get("counted", ())),
            heard=_heard(folder / "heard"),
            losses=tuple(seen.get("losses", ())),
            processes=seen.get("processes", 0),
        )


def _environment(place: Place, heard: Path | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    listening = {"PYTHONPATH": str(LISTENER), "PLAIN_LISTENER_FOLDER": str(heard)} if heard else {}
    path = f"{place.venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
    captured = dict.fromkeys(CAPTURED, "true")
    return {**kept, **captured, **listening, "PATH": path, "PYTHONHASHSEED": "0"}


def _stestr(place: Place, folder: Path, tape: Path | None) -> list[str]:
    """The command; a repository of its own, so that every run shares the tests out alike."""
    repository = ["--repo-url", str(folder)]
    subprocess.run([place.program("stestr"), *repository, "init"], cwd=place.checkout, check=True)
    names = "|".join(module.replace(".", r"\.") for module in place.modules)
    recorded = [place.program("auditor"), "record", "-o", str(tape), "--"] if tape else []
    run_them = ["run", "--concurrency", "2", f"^({names})\\."]
    return [*recorded, place.program("stestr"), *repository, *run_them]


def _stestr_ends(place: Place, folder: Path) -> dict[str, str]:
    last = subprocess.run(
        [place.program("stestr"), "--repo-url", folder, "last", "--subunit"],
        cwd=place.checkout,
        capture_output=True,
        check=False,
    )
    return dict(json.loads(_python(place, READ_SUBUNIT, input=last.stdout)))


def _pytest(place: Place, folder: Path, tape: Path | None) -> list[str]:
    paths = [_path_of(place, module) for module in place.modules]
    recorded = ["--auditor", "--auditor-tape", str(tape)] if tape else []
    given = ["-n", "2", "-q", "-p", "no:cacheprovider", f"--junit-xml={folder / 'junit.xml'}"]
    return [place.program("pytest"), *given, *recorded, *paths]


def _path_of(place: Place, module: str) -> str:
    path = module.replace(".", "/")
    return path if (place.checkout / path).is_dir() else f"{path}.py"


def _pytest_ends(place: Place, folder: Path) -> dict[str, str]:
    ends = {}
    for case in ET.parse(folder / "junit.xml").iter("testcase"):  # noqa: S314 - just written by pytest
        marks = {child.tag for child in case} & {"failure", "error", "skipped"}
        ends[f"{case.get('classname')}.{case.get('name')}"] = min(marks, default="success")
    return ends


COMMANDS = {"stestr": _stestr, "pytest": _pytest}
ENDS = {"stestr": _stestr_ends, "pytest": _pytest_ends}


def _read_tape(place: Place, tape: Path) -> dict[str, object]:
    return dict(json.loads(_python(place, READ_TAPE, str(tape))))


def _python(place: Place, source: str, *arguments: str, **given: bytes) -> bytes:
    command = [place.program("python"), "-c", source, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, **given).stdout


def _heard(folder: Path) -> Counts:
    return _counts(row for part in folder.glob("*.json") for row in json.loads(part.read_text()))


def _counts(rows: Iterable[tuple[str, str, int]]) -> Counts:
    found: Counts = Counter()
    for test, verb, number in rows:
        found[test, verb] += number
    return found


def compare_outcomes(runs: Sequence[Run]) -> int:
    """Prints which tests did not end alike in all runs."""
    tests = sorted(set().union(*(one.ends for one in runs)))
    differing = [t for t in tests if len({one.ends.get(t, "did not run") for one in runs}) > 1]
    print(f"  outcomes: {len(tests)} tests, {len(differing)} differ over {len(runs)} runs")
    for test in differing:
        print(f"    {test}: {[one.ends.get(test, 'did not run') for one in runs]}")
    return bool(differing)


def compare_counts(one: Run) -> int:
    """Prints what recorder and listener said of one run."""
    differing = sorted(
        key for key in {*one.recorded, *one.heard} if one.recorded[key] != one.heard[key]
    )
    tests = {test for test, _ in one.heard}
    print(
        f"  counts: {one.recorded.total():,} statements recorded, {one.heard.total():,} heard,"
        f" in {one.processes} processes; {len(differing)} of {len(one.heard):,} pairs of test"
        f" and verb differ ({len(tests):,} tests)"
    )
    for test, verb in differing[:20]:
        key = test, verb
        print(f"    {test} {verb}: recorded {one.recorded[key]}, heard {one.heard[key]}")
    for loss in one.losses:
        print(f"    lost: {loss}")
    return bool(differing or one.losses or not one.heard)


def compare_times(runs: Sequence[Run]) -> int:
    """Prints the ratios of recorded to bare runs. Time is told, not judged."""
    bare = [one for one in runs if one.mode == BARE]
    recorded = [one for one in runs if one.mode == RECORDED]
    for name in ("wall", "processor"):
        sums = [sum(getattr(one, name) for one in some) for some in (recorded, bare)]
        least = [min(getattr(one, name) for one in some) for some in (recorded, bare)]
        print(f"  {name}: x{sums[0] / sums[1]:.3f} in all, x{least[0] / least[1]:.3f} of the least")
    return 0


if __name__ == "__main__":
    sys.exit(main())
