"""Measures real fixes before and after, and says whether the place of the defect is named.

    python benchmarks/replay_fixes.py CLONES --python optuna=PYTHON --python nova=PYTHON ...
        [--cases fixed_defects.jsonl] [c090 c091 ...]

CLONES holds a git clone of each project, by its name; the interpreters have what that project
needed then (docs/replays.md). Each scenario of `benchmarks/replays` is measured in both directions.
Prints a row for each law: before, after, and the places that the defect coming back is blamed on.
With the list of defects, those on its lines are marked `*`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

NEAR = 3
SCENARIOS = Path(__file__).parent / "replays"


class Replay(NamedTuple):
    """A fix: the clone it is in, its commit, where it was measured, and what of it changed."""

    project: str
    commit: str
    measures: tuple[str, ...] = ("statements",)
    database: str = "sqlite://"


BOTH = ("statements", "rows")
REPLAYS = {
    "c032": Replay("nova", "e728fe668a", BOTH),
    "c054": Replay("octavia", "b627d7cf72", BOTH),
    "c055": Replay("octavia", "77068905e1", BOTH),
    "c056": Replay("octavia", "be552d99a4", BOTH),
    "c076": Replay("warehouse", "df263ce46f", database="postgresql"),
    "c077": Replay("warehouse", "cc2deb3c7f", BOTH, database="postgresql"),
    "c090": Replay("optuna", "43b3283d1d"),
    "c091": Replay("optuna", "8228367d52"),
    "c092": Replay("optuna", "0689469b02"),
}


def measured(name: str, revisions: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The changes of a scenario's laws between two revisions, as `auditor profile` tells them."""
    replay = REPLAYS[name]
    command = [sys.executable, "-m", "auditor", "profile", str(SCENARIOS / f"{name}.py")]
    command += ["--project", str(options.clones / replay.project), "--against", revisions]
    command += ["--db", replay.database, "--format", "json", "--quiet"]
    for measure in replay.measures:
        command += ["--measure", measure]
    if replay.project in options.pythons:
        command += ["--python-at", options.pythons[replay.project]]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    laws = json.loads(done.stdout)["laws"] if done.stdout else []
    return [change for law in laws for change in law["changes"]]


def places(change: dict[str, Any], defect: dict[str, Any] | None) -> str:
    """The places of a change, innermost first, those on the lines of the defect marked."""
    said = []
    for site in change["sites"]:
        frames = [site, *site["stack"]]
        mark = "*" if defect and any(is_in(frame, defect) for frame in frames) else ""
        cause = "" if site["cause"] == "explicit" else f" ({site['cause']})"
        said.append(f"`{site['path'].rpartition('/')[2]}:{site['line']}`{mark}{cause}")
    return "; ".join(dict.fromkeys(said)) or "none"


def is_in(frame: dict[str, Any], defect: dict[str, Any]) -> bool:
    """Says whether a frame is on the lines of a defect, or at most three beside them."""
    first, last = defect["lines"]
    inside: bool = first - NEAR <= frame["line"] <= last + NEAR
    return inside and frame["path"] == defect["path"]


def rows(name: str, options: argparse.Namespace, defect: dict[str, Any] | None) -> list[str]:
    """A row for each measure; none where the two directions do not tell the same laws."""
    commit = REPLAYS[name].commit
    fixed = measured(name, f"{commit}^..{commit}", options)
    broken = measured(name, f"{commit}..{commit}^", options)
    mirrored = [(one["measure"], one["after"], one["before"]) for one in broken]
    if not fixed or [(one["measure"], one["before"], one["after"]) for one in fixed] != mirrored:
        return [f"| {name} | no laws, or not the same in both directions | | | |"]
    return [
        f"| {name} | {one['measure']} | `{one['before']}` | `{one['after']}`"
        f" ({one['change']}) | {places(back, defect)} |"
        for one, back in zip(fixed, broken, strict=True)
    ]


def main() -> None:
    """Print the table of all replays, or of those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("clones", type=Path)
    parser.add_argument("names", nargs="*", default=sorted(REPLAYS))
    parser.add_argument("--python", action="append", default=[], metavar="PROJECT=PYTHON")
    parser.add_argument("--cases", type=Path)
    options = parser.parse_args()
    options.pythons = dict(one.split("=", 1) for one in options.python)
    lines = options.cases.read_text().splitlines() if options.cases else []
    known = {one["id"].lower(): one for one in map(json.loads, lines)}
    print("| fix | measure | before | after | blamed when it comes back |\n|---|---|---|---|---|")
    for name in options.names:
        print("\n".join(rows(name, options, known.get(name))), flush=True)


if __name__ == "__main__":
    main()
