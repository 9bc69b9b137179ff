"""What a scan costs against its peers, measured in one run on the same files.

    python benchmarks/scan_speed.py                                   the installed Neutron
    python benchmarks/scan_speed.py FOLDER --bandit PATH --ruff PATH  others
    python benchmarks/scan_speed.py --runs 1                          quicker, less steady

Each command runs as a process of its own; its processor time is user + system time of the whole
tree of processes, its peak the largest memory of any one of them, both as `os.wait4` tells. The
figures are medians; the byte code of the auditor is compiled before. The floor reads every file,
passes over those without database words, and gives the others to `ast.parse`: less cannot be done
by a tool that parses. Exit status 1 if a target of the last column is missed; a peer that is not
installed is left out.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

MIB = 1024 * 1024
PEAK = 200 * MIB
"""Bytes that no process of a scan may exceed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds of a tree of processes, and bytes of its largest process."""

    seconds: float
    peak: int


@dataclass(frozen=True, slots=True)
class Target:
    """`name` may cost at most `factor` times what `than` costs."""

    name: str
    than: str
    factor: float


TARGETS = (
    Target("auditor, cold", "bandit", 1 / 8),
    Target("auditor, cold", "floor", 2.5),
    Target("auditor, warm", "ruff", 1.0),
)


def cost_of(command: Sequence[str], folder: Path, cache: Path) -> Cost:
    """Run a command to its end. Raises SystemExit if it could not do its work."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=_environment(cache),
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):
            said.seek(0)
            told = said.read().decode(errors="replace")[-2000:]
            raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}\n{told}")
    in_kib = 1 if sys.platform == "darwin" else 1024
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss * in_kib)


def _environment(cache: Path) -> dict[str, str]:
    """Ours with a cache folder, and with byte code kept, as it is of whatever pip has installed."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**ours, "XDG_CACHE_HOME": str(cache)}


def floor(files: Path) -> None:
    """Read, filter and parse all Python files below a folder; the work of the floor's process."""
    import ast  # lazy: only the process of the floor parses

    from auditor.source.discover import discover  # lazy: only here
    from auditor.source.words import is_of_databases  # lazy: only here

    gc.disable()
    warnings.simplefilter("ignore")
    for file in discover([files], tests=True).files:
        source = Path(file.file).read_bytes()
        if is_of_databases(source):
            try:
                ast.parse(source)
            except (SyntaxError, ValueError):
                continue


def medians(run: Callable[[], Cost], runs: int) -> Cost:
    """The median seconds and the largest peak of several runs."""
    costs = [run() for _ in range(runs)]
    return Cost(statistics.median(c.seconds for c in costs), max(c.peak for c in costs))


def measured(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Cost]]:
    """Every contender with its cost; those that are not installed are told on stderr."""
    name, parent = folder.name, folder.parent
    scan = [sys.executable, "-m", "auditor", "scan", name, "--tests", "--exit-zero"]
    with tempfile.TemporaryDirectory() as made:
        caches = (Path(made) / str(number) for number in range(options.runs + 1))
        last = Path(made) / "warm"
        cost_of([*scan[:4], __file__, "--exit-zero"], parent, last)  # compiles what is imported
        yield "auditor, cold", medians(lambda: cost_of(scan, parent, next(caches)), options.runs)
        cost_of(scan, parent, last)
        yield "auditor, warm", medians(lambda: cost_of(scan, parent, last), options.runs)
    itself = [sys.executable, __file__, "--floor", name]
    yield "floor", medians(lambda: cost_of(itself, parent, last), options.runs)
    for peer, arguments in (
        ("bandit", ["-q", "-r", name, "-t", "B608,B110,B112", "-f", "json"]),
        ("ruff", ["check", "--no-cache", "--isolated", "--select", "S608,BLE001,B904", "-q", name]),
    ):
        program = getattr(options, peer) or shutil.which(peer)
        if program is None:
            print(f"`{peer}` is not installed: left out", file=sys.stderr)
            continue
        command = [program, *arguments]
        yield peer, medians(lambda: cost_of(command, parent, last), options.runs)  # noqa: B023


def verdicts(costs: dict[str, Cost]) -> Iterator[tuple[str, bool]]:
    """Each target in words, and whether it is met."""
    for target in TARGETS:
        if target.than in costs:
            ratio = costs[target.name].seconds / costs[target.than].seconds
            words = f"{target.name} / {target.than} = {ratio:.3f}, at most {target.factor:g}"
            yield words, ratio <= target.factor
    peak = max(cost.peak for name, cost in costs.items() if name.startswith("auditor"))
    yield f"peak = {peak / MIB:.0f} MiB, less than {PEAK / MIB:.0f}", peak < PEAK


def main() -> int:
    """Measure, print, and say whether all targets are met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="a package; default: neutron")
    parser.add_argument("--bandit", help="the program; default: the one on the path")
    parser.add_argument("--ruff", help="the program; default: the one on the path")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--floor", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.floor:
        floor(options.floor)
        return 0
    folder = options.folder or _installed("neutron")
    costs: dict[str, Cost] = {}
    print(f"{'':<16}{'CPU seconds':>12}{'peak MiB':>10}")
    for name, cost in measured(options, folder.resolve()):
        costs[name] = cost
        print(f"{name:<16}{cost.seconds:>12.2f}{cost.peak / MIB:>10.0f}", flush=True)
    met = list(verdicts(costs))
    for words, is_met in met:
        print(f"{'met' if is_met else 'MISSED':<8}{words}")
    return 0 if all(is_met for _, is_met in met) else 1


def _installed(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"`{name}` is not installed: name a folder")
    return Path(spec.submodule_search_locations[0])


if __name__ == "__main__":
    sys.exit(main())
