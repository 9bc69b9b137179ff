"""How many real defects, fixed since in public projects, the scan reports before the fix, and how
many of those it leaves alone after it.

    python benchmarks/fixed_defects.py CASES.jsonl CLONES [--all] [--only ID] [--verbose]
        [--detect i,ii] [--half test]

CASES is a file of facts, one case a line (`repo`, `fix_sha`, `path`, `lines`, `post_func_lines`,
`cls`, `detect`, `core`, ...). CLONES holds a bare clone of each repository as `owner+name/repo`
or `owner+name`. A hit is any finding of the class's families on the flagged lines, three lines
wider; a false alarm is such a finding, of the same code, still inside the function after the fix.
For detect `i` and `ii` the file is scanned alone, for `iii` the whole package it belongs to.
`benchmarks/defects/heldout.jsonl` are cases that were gathered after the rules; `half` says whether
they were open to the rules since (`dev`) or only ever measured (`test`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAMILIES = {"A": ("DBA1",), "B": ("DBA2",), "C": ("DBA3",), "D": ("DBA4", "DBA2")}
MARGIN = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the scan said of one case: codes before the fix on its lines, and those still there."""

    case: dict[str, Any]
    before: tuple[str, ...]
    after: tuple[str, ...]
    problem: str = ""

    @property
    def hit(self) -> bool:
        return bool(self.before)

    @property
    def silent_after(self) -> bool:
        residual = bool(self.case.get("post_residual"))
        return self.hit and (residual or not set(self.before) & set(self.after))


def main() -> int:
    """Judge the chosen cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cases", type=Path)
    parser.add_argument("clones", type=Path)
    parser.add_argument("--all", action="store_true", help="not only the core cases")
    parser.add_argument("--only", default="", help="one case")
    parser.add_argument("--detect", default="i,ii,iii", help="levels, comma separated")
    parser.add_argument("--half", default="", help="one half of held-out cases: dev or test")
    parser.add_argument("--verbose", action="store_true")
    chosen = parser.parse_args()
    cases = [json.loads(line) for line in chosen.cases.read_text().splitlines() if line]
    cases = [
        case
        for case in cases
        if (chosen.all or case["core"])
        and chosen.only in ("", case["id"])
        and chosen.half in ("", case.get("half"))
        and case["detect"] in chosen.detect.split(",")
    ]
    outcomes = []
    for number, case in enumerate(cases, 1):
        print(f"{number}/{len(cases)} {case['id']} {case['repo']}", file=sys.stderr)
        outcomes.append(judged(case, chosen.clones))
        if chosen.verbose:
            print(told(outcomes[-1]))
    print(table(outcomes))
    return 0


def judged(case: dict[str, Any], clones: Path) -> Outcome:
    """Scans the version before the fix and, where it was reported, the one after it."""
    clone = clones / case["repo"].replace("/", "+")
    clone = clone / "repo" if (clone / "repo").exists() else clone
    try:
        found = scan(clone, f"{case['fix_sha']}^", case)
        first, last = case["lines"]
        before = codes(found, case, first - MARGIN, last + MARGIN)
        if not before or not case.get("post_func_lines"):
            return Outcome(case, before, ())
        first, last = case["post_func_lines"]
        after = codes(scan(clone, case["fix_sha"], case), case, first, last)
        return Outcome(case, before, after)
    except (subprocess.CalledProcessError, OSError, ValueError) as error:
        return Outcome(case, (), (), f"{type(error).__name__}: {error}")


def scan(clone: Path, revision: str, case: dict[str, Any]) -> list[dict[str, Any]]:
    """The findings of the case's file at a revision, as the JSON report has them."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = (
            package_of(clone, revision, case["path"]) if case["detect"] == "iii" else case["path"]
        )
        archive = subprocess.run(
            ["git", f"--git-dir={clone}", "archive", revision, "--", wanted],
            capture_output=True, check=True,
        )  # fmt: skip
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        run = subprocess.run(
            [sys.executable, "-m", "auditor", "scan", wanted, "--format", "json"],
            capture_output=True, cwd=folder, check=False,
        )  # fmt: skip
        report = json.loads(run.stdout)
    return [finding for finding in report["findings"] if finding["path"] == case["path"]]


def package_of(clone: Path, revision: str, path: str) -> str:
    """The top folder of the package that a file belongs to."""
    parts = path.split("/")[:-1]
    for count in range(1, len(parts) + 1):
        folder = "/".join(parts[:count])
        listed = subprocess.run(
            ["git", f"--git-dir={clone}", "cat-file", "-e", f"{revision}:{folder}/__init__.py"],
            capture_output=True, check=False,
        )  # fmt: skip
        if listed.returncode == 0:
            return folder
    return path


def codes(
    found: list[dict[str, Any]], case: dict[str, Any], first: int, last: int
) -> tuple[str, ...]:
    """The codes of the class's families between two lines."""
    return tuple(
        finding["code"]
        for finding in found
        if finding["code"].startswith(FAMILIES[case["cls"]])
        and finding["line"] <= last
        and finding["end_line"] >= first
    )


def told(outcome: Outcome) -> str:
    """One case in one line."""
    case = outcome.case
    state = "missed"
    if outcome.problem:
        state = outcome.problem
    elif outcome.hit:
        state = "reported, silent after" if outcome.silent_after else "reported, still after"
    return f"{case['id']} {case['detect']:3} {case['kind']:32} {state} {' '.join(outcome.before)}"


def table(outcomes: list[Outcome]) -> str:
    """Shares by class and by how much must be read to see the defect."""
    cases: Counter[tuple[str, str]] = Counter()
    hits: Counter[tuple[str, str]] = Counter()
    silent: Counter[tuple[str, str]] = Counter()
    for outcome in outcomes:
        for key in (
            (outcome.case["cls"], outcome.case["detect"]),
            ("all", outcome.case["detect"]),
            ("all", "all"),
        ):
            cases[key] += 1
            hits[key] += outcome.hit
            silent[key] += outcome.silent_after
    lines = ["class detect cases reported silent-after"]
    for key in sorted(cases):
        share = f"{hits[key]} ({hits[key] / cases[key]:.0%})"
        lines.append(f"{key[0]:5} {key[1]:6} {cases[key]:5} {share:>10} {silent[key]:8}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
