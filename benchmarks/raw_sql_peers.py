"""Compares `auditor` with bandit (B608), ruff (S608) and skylos on labelled snippets of raw SQL.

    python benchmarks/raw_sql_peers.py [--list]

Two sets: `raw_sql/offences.md` and `raw_sql/correct.md`, written as a reviewer would before the
rules were tuned on them, and the examples of DBA101 and DBA102, which are the rules' own tests. An
offence counts as found, and correct code as accused, when a tool reports SQL in its files, each
snippet looked at alone, at the confidence that the tool shows by default. Tools that are not on
PATH are left out. `--list` also names the snippets that each tool judges wrongly.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.examples import files_of
from auditor.rule import Example
from auditor.rules.raw_sql import interpolated_identifier, interpolated_value

_FOLDER = Path(__file__).with_name("raw_sql")
_FENCED = re.compile(
    r"^## (?P<title>.+?)\n.*?^```python\n(?P<source>.*?)^```", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Snippet:
    """A program of one file or a few, and whether it offends."""

    title: str
    offends: bool
    files: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """How a tool is run in a folder, and whether its output reports SQL (`exit` is its code)."""

    command: Sequence[str]
    reports: Callable[[int, str], bool]


def _exits_with_one(code: int, _: str) -> bool:
    return code == 1


def _skylos_reports(_: int, output: str) -> bool:
    found = json.loads(output).get("danger", ())
    return any("SQL" in finding["message"] for finding in found)


TOOLS: Mapping[str, Tool] = {
    "auditor": Tool(
        ("auditor", "scan", "--select", "DBA101,DBA102", "--quiet", "--no-cache", "."),
        _exits_with_one,
    ),
    "bandit": Tool(("bandit", "-q", "-t", "B608", "-r", "."), _exits_with_one),
    "ruff": Tool(
        ("ruff", "check", "--isolated", "--no-cache", "--select", "S608", "."), _exits_with_one
    ),
    "skylos": Tool(("skylos", ".", "--danger", "--json"), _skylos_reports),
}


def snippets(file: Path, *, offends: bool) -> Iterator[Snippet]:
    """The programs in a file of headings and fences."""
    for found in _FENCED.finditer(file.read_text()):
        yield Snippet(found["title"], offends, files_of(Example(found["title"], found["source"])))


def examples() -> Iterator[Snippet]:
    """The examples of the two rules."""
    for rule in (interpolated_value.RULE, interpolated_identifier.RULE):
        for listed, offends in ((rule.bad, True), (rule.good, False)):
            for example in listed:
                if isinstance(example, Example):
                    yield Snippet(f"{rule.code} {example.title}", offends, files_of(example))


def is_reported(tool: Tool, snippet: Snippet) -> bool:
    """Whether a tool reports SQL in a folder with nothing but the snippet."""
    with tempfile.TemporaryDirectory() as made:
        for path, source in snippet.files:
            file = Path(made, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source)
        done = subprocess.run(tool.command, cwd=made, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{tool.command[0]} failed: {done.stderr}")
    return tool.reports(done.returncode, done.stdout)


def compare(title: str, cases: Sequence[Snippet], *, listed: bool) -> None:
    """Prints the table of one set."""
    bad = sum(case.offends for case in cases)
    print(f"{title}: {bad} offences, {len(cases) - bad} correct")
    print(f"{'tool':10}{'found':>8}{'false':>8}")
    for name, tool in TOOLS.items():
        if shutil.which(tool.command[0]) is None:
            continue
        wrong = [case for case in cases if is_reported(tool, case) != case.offends]
        missed = [case.title for case in wrong if case.offends]
        false = [case.title for case in wrong if not case.offends]
        print(f"{name:10}{bad - len(missed):>8}{len(false):>8}", flush=True)
        if listed:
            print("".join(f"    missed: {one}\n" for one in missed), end="")
            print("".join(f"    false:  {one}\n" for one in false), end="")


def main() -> None:
    """Prints a table for each set."""
    listed = "--list" in sys.argv
    written = (
        *snippets(_FOLDER / "offences.md", offends=True),
        *snippets(_FOLDER / "correct.md", offends=False),
    )
    compare("written before the rules were tuned", written, listed=listed)
    compare("examples of the rules", tuple(examples()), listed=listed)


if __name__ == "__main__":
    main()
