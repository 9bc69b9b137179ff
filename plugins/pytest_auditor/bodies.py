"""The bodies of the tests of one process: each judged alone, all kept for the end of the run.

The tape of the suite holds set-up and fixtures as well. Findings are of the bodies: rows that a
fixture makes one by one accuse nobody.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from auditor import registry
from auditor.engine import judge
from auditor.model.finding import Finding
from auditor.model.report import Report
from auditor.model.tape import Tape
from auditor.model.tape_sum import added_up
from auditor.report import text
from auditor.runtime import budgets
from auditor.runtime.expectations import kinds_in_words
from auditor.runtime.store import folder_of
from auditor.runtime.tape_file import write_file
from pytest_auditor.settings import Chosen

BODIES = ".bodies"
"""Suffix of the tapes, beside the parts of the whole one, that hold the bodies of a process."""


class Judge:
    """Judges the tests of one process, and remembers their bodies."""

    def __init__(self, config: pytest.Config, chosen: Chosen) -> None:
        self._chosen = chosen
        self._bodies: list[Tape] = []
        self._below = os.path.relpath(config.invocation_params.dir, config.rootpath)

    @cached_property
    def rules(self) -> registry.Catalogue:
        """The catalogue, loaded once."""
        return registry.catalogue()

    def seen(self, test: str, tape: Tape, *, excuse: str) -> dict[str, Any]:
        """Keeps the body of a test; what its report says of it, in plain values."""
        if tape.entries or tape.transactions or tape.losses:
            self._bodies.append(tape)
        known = (self._chosen.budgets or {}).get(test)
        is_missing = self._chosen.budgets is not None and known is None
        places = budgets.measured(tape, self._from_root)
        change = budgets.changed(test, known or {}, places)
        return {
            "places": {_sendable(place): count for place, count in places.items()},
            "missing": kinds_in_words(budgets.kinds(places)) if is_missing and places else "",
            "shrunk": change.shrunk if known is not None else "",
            "excused": excuse,
        }

    def complaint(self, test: str, tape: Tape, places: budgets.Measured) -> str:
        """Why a test that passed should fail: over its budget, or findings; empty if it should
        not."""
        known = (self._chosen.budgets or {}).get(test)
        grown = budgets.changed(test, known, places).grown if known is not None else ""
        return "\n\n".join(part for part in (grown, self._findings(tape)) if part)

    def _findings(self, tape: Tape) -> str:
        if not self._chosen.is_failing or not tape.entries:
            return ""
        found = judged(tape, self._chosen, self.rules).findings
        if not found:
            return ""
        count = "1 finding" if len(found) == 1 else f"{len(found)} findings"
        return "\n".join(
            (
                f"{count} in the body of this test (--auditor-fail)",
                *(told(finding, self.rules) for finding in found),
            )
        )

    def leave_bodies(self) -> None:
        """Writes the bodies for the main process. Raises TapeError."""
        if self._bodies:
            folder = folder_of(self._chosen.tape)
            write_file(replace(added_up(self._bodies), processes=1), _file_in(folder))

    def _from_root(self, path: str) -> str:
        """A path of a tape as it is below the root of the suite: tapes begin where pytest was
        started."""
        if self._below == os.curdir or not Path(path).exists():
            return path
        return Path(os.path.normpath(Path(self._below, path))).as_posix()


def judged(tape: Tape, chosen: Chosen, rules: registry.Catalogue) -> Report:
    """What the rules say of a tape, known findings left out. A finding is known by code, file and
    function: its message, and so its fingerprint, is not the same for one test and for many."""
    report = judge(tape, chosen.settings, rules=rules)
    known = {(one.code, one.path, one.rest.partition("  ")[0]) for one in chosen.known}
    kept = tuple(f for f in report.findings if (f.code, f.span.path, f.function) not in known)
    hidden = len(report.findings) - len(kept)
    counted = {**report.counted, **({"baselined": hidden} if hidden else {})}
    return replace(report, findings=kept, counted=counted)


def told(finding: Finding, rules: registry.Catalogue) -> str:
    """A finding with its evidence, what to do instead, and how to excuse it."""
    lines = text.render(Report(findings=(finding,)), summary=False).rstrip("\n")
    rule = rules.rule(finding.code)
    place = f"{finding.span.path}:{finding.span.line}"
    return "\n".join(
        (
            lines,
            *((f"    instead: {rule.instead}",) if rule is not None else ()),
            f"    or, if it is meant: `# auditor: ignore[{finding.code}] REASON` at {place}",
        )
    )


def _file_in(folder: Path) -> Path:
    return folder / f"{os.getpid()}{BODIES}"


def _sendable(text: str) -> str:
    """The text with half characters, which pytest-xdist cannot send, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
