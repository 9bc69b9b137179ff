"""A sample of findings in real packages, to be read and judged by a person.

    python benchmarks/sample_findings.py FOLDER... [--total 100] [--most 8] [--seed 1]

Scans each folder, takes findings by chance, spread over the folders, and writes them as Markdown
with the source around each. Every rule that reports gets two places; the rest of the places goes
to the rules that report most for each place they have, at most so many a rule. The same findings
and seed give the same sample. How the last one was judged: docs/precision.md.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.engine import scan
from auditor.model.evidence import SourcePath
from auditor.model.finding import Confidence, Finding
from auditor.model.settings import Settings

AROUND = 12
"""Lines of source shown before and after a finding."""

LEAST = 2
"""Findings read of a rule that reports seldom, if there are so many."""


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, and the folder that was scanned."""

    folder: Path
    finding: Finding


def found_in(folders: Iterable[Path], settings: Settings) -> Iterator[Found]:
    """All findings of each folder, scanned by itself."""
    for folder in folders:
        report = scan([folder], settings)
        print(f"{folder}: {len(report.findings)} findings", file=sys.stderr)
        for problem in report.problems:
            print(f"{folder}: {problem.subject}: {problem.message}", file=sys.stderr)
        yield from (Found(folder, finding) for finding in report.findings)


def places(shown: dict[str, int], most: int, total: int) -> dict[str, int]:
    """How many findings of each code to read: two, and the rest by how many there are of it."""
    given = {code: min(count, most, LEAST) for code, count in sorted(shown.items())}
    while sum(given.values()) < total:
        open_codes = [code for code in given if given[code] < min(shown[code], most)]
        if not open_codes:
            break
        given[max(open_codes, key=lambda code: shown[code] / given[code])] += 1
    return given


def sampled(found: Iterable[Found], given: dict[str, int], seed: int) -> dict[str, list[Found]]:
    """So many findings of each code as it was given: one of each folder in turn, by chance."""
    by_code: dict[str, dict[Path, list[Found]]] = {}
    for one in found:
        by_code.setdefault(one.finding.code, {}).setdefault(one.folder, []).append(one)
    chosen = {}
    for code in sorted(by_code):
        chance = random.Random(f"{seed} {code}")  # noqa: S311 - a sample, not a secret
        piles = list(by_code[code].values())
        for pile in piles:
            chance.shuffle(pile)
        chance.shuffle(piles)
        turns = (pile[turn] for turn in range(given[code]) for pile in piles if turn < len(pile))
        chosen[code] = [one for one, _ in zip(turns, range(given[code]), strict=False)]
    return chosen


def page(sample: dict[str, list[Found]], shown: dict[str, int]) -> Iterator[str]:
    """The sample as lines of Markdown."""
    for code, chosen in sample.items():
        yield f"# {code} {chosen[0].finding.name}: {len(chosen)} of {shown[code]}"
        for one in chosen:
            yield f"\n## {one.finding.span} in {one.finding.function}\n"
            yield f"{one.finding.message} ({one.finding.confidence.value})\n"
            yield "```python"
            yield from _source(one)
            yield "```"


def _source(one: Found) -> Iterator[str]:
    span = one.finding.span
    file = next((f for f in _candidates(one.folder, span.path) if f.is_file()), None)
    lines = file.read_text("utf-8", "replace").split("\n") if file else []
    first = max(span.line - AROUND, 1)
    for number in range(first, min(span.end_line + AROUND, span.line + 3 * AROUND, len(lines)) + 1):
        mark = ">" if span.line <= number <= span.end_line else " "
        yield f"{mark}{number:5} {lines[number - 1]}"
    for step in (s for e in one.finding.evidence if isinstance(e, SourcePath) for s in e.steps):
        yield f"  step {step.span}: {step.note}"


def _candidates(folder: Path, path: str) -> Sequence[Path]:
    """Where a shown path may be: paths are shown from the folder around the top package."""
    return [around / path for around in (Path.cwd(), folder, *folder.resolve().parents)]


def main() -> int:
    """Scan, sample, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--total", type=int, default=100, help="findings in the sample")
    parser.add_argument("--most", type=int, default=8, help="findings of each rule")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--confidence", type=Confidence, default=Confidence.MEDIUM)
    parser.add_argument("--output", type=Path, default=Path("sample.md"))
    options = parser.parse_args()
    found = tuple(found_in(options.folders, Settings(confidence=options.confidence)))
    shown: dict[str, int] = {}
    for one in found:
        shown[one.finding.code] = shown.get(one.finding.code, 0) + 1
    sample = sampled(found, places(shown, options.most, options.total), options.seed)
    options.output.write_text("\n".join(page(sample, shown)) + "\n", "utf-8")
    for code, count in sorted(shown.items()):
        print(f"{code} {sample[code][0].finding.name}: {len(sample[code])} of {count}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
