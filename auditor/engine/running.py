"""Checks to findings. A rule that raises becomes a Problem, and the others go on."""

from __future__ import annotations

import string
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.model.finding import Finding, Problem
from auditor.model.law import LawResult
from auditor.model.outcome import FaultOutcome
from auditor.model.tape import Tape
from auditor.rule import Hits, OnFunction, OnLaws, OnModule, OnOutcomes, OnTape, Rule
from auditor.source.project import Project, Scope


@dataclass(frozen=True, slots=True)
class Judged:
    """What the checks gave: findings in order of path and line, without fingerprints, and Problems
    for checks that raised."""

    findings: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """One call of one check. `where` is what it looks at, as a Problem names it."""

    rule: Rule
    where: str
    hits: Callable[[], Hits]


@dataclass(frozen=True, slots=True)
class Crash:
    """A check that raised: `error` says what, and where in the rule."""

    code: str
    name: str
    where: str
    error: str


def over_project(
    rules: Iterable[Rule], project: Project, *, only: frozenset[str] | None = None
) -> Judged:
    """What the static checks of the rules say; with `only`, of the modules at these paths."""
    return judged(static_tasks(tuple(rules), project, only))


def over_tape(rules: Iterable[Rule], tape: Tape, project: Project) -> Judged:
    """What the checks of recorded sessions say; `project` is the source that the tape names."""
    return judged(
        Task(rule, "the tape", _called(check.check, tape, project))
        for rule in rules
        for check in rule.checks
        if isinstance(check, OnTape)
    )


def over_laws(rules: Iterable[Rule], laws: tuple[LawResult, ...]) -> Judged:
    """What the checks of growth laws say."""
    return judged(
        Task(rule, "the laws", _called(check.check, laws))
        for rule in rules
        for check in rule.checks
        if isinstance(check, OnLaws)
    )


def over_outcomes(rules: Iterable[Rule], outcomes: tuple[FaultOutcome, ...]) -> Judged:
    """What the checks of fault outcomes say."""
    return judged(
        Task(rule, "the fault outcomes", _called(check.check, outcomes))
        for rule in rules
        for check in rule.checks
        if isinstance(check, OnOutcomes)
    )


def static_tasks(
    rules: Sequence[Rule], project: Project, only: frozenset[str] | None = None
) -> Iterator[Task]:
    """The calls of the static checks, function by function, so that what one check asked for is at
    hand for the next. A check is not called on a function that lacks what it needs, and on a test
    only if its rule is about tests too."""
    of_modules = [(r, c) for r in rules for c in r.checks if isinstance(c, OnModule)]
    of_functions = [(r, c) for r in rules for c in r.checks if isinstance(c, OnFunction)]
    of_tests = [(rule, check) for rule, check in of_functions if rule.in_tests]
    for module in sorted(project.modules.values(), key=lambda m: m.path):
        if only is None or module.path in only:
            yield from (
                Task(rule, module.path, _called(check.check, project, module))
                for rule, check in of_modules
                if rule.in_tests or not module.is_test
            )
    for scope in project.program.scopes:
        if only is None or scope.module.path in only:
            yield from _of_scope(of_tests if scope.module.is_test else of_functions, project, scope)


def _of_scope(
    checks: Iterable[tuple[Rule, OnFunction]], project: Project, scope: Scope
) -> Iterator[Task]:
    traits = project.traits(scope)
    for rule, check in checks:
        if (check.everywhere or traits.of_database) and traits.meet(check.needs, check.calls):
            where = f"`{scope.function.qualname}` in {scope.module.path}"
            hits = _called(check.check, project, scope.module, scope.function)
            yield Task(rule, where, hits)


def _called(check: Callable[..., Hits], *facts: object) -> Callable[[], Hits]:
    return lambda: check(*facts)


def judged(tasks: Iterable[Task]) -> Judged:
    """The findings of all tasks, equal ones once, and one Problem for each way a rule failed."""
    findings: set[Finding] = set()
    crashes: list[Crash] = []
    for task in tasks:
        try:
            findings.update(_findings(task))
        except Exception as error:  # noqa: BLE001 - isolation point: a rule that fails is a Problem
            crashes.append(Crash(task.rule.code, task.rule.name, task.where, _told(error)))
    ordered = sorted(findings, key=lambda finding: (finding.order_key, finding.function))
    return Judged(tuple(ordered), _folded(sorted(crashes, key=lambda crash: crash.code)))


def _findings(task: Task) -> list[Finding]:
    rule = task.rule
    return [
        Finding(
            code=rule.code,
            name=rule.name,
            message=_message(hit.message or rule.message, hit.fields),
            span=hit.span,
            function=hit.function,
            severity=hit.severity or rule.severity,
            confidence=hit.confidence or rule.confidence,
            evidence=tuple(hit.evidence),
        )
        for hit in task.hits()
    ]


def _message(template: str, fields: object) -> str:
    return string.Formatter().vformat(template, (), fields)  # type: ignore[call-overload, no-any-return]


def _told(error: Exception) -> str:
    """`KeyError: 'x' (missing_cause.py:41)`: the error and the line of the rule that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return f"{type(error).__name__}: {error}"
    return f"{type(error).__name__}: {error} ({Path(frames[-1].filename).name}:{frames[-1].lineno})"


def _folded(crashes: Iterable[Crash]) -> tuple[Problem, ...]:
    """One Problem for each rule and error; the first place is named, the others are counted."""
    first: dict[tuple[str, str], Crash] = {}
    times: dict[tuple[str, str], int] = {}
    for crash in crashes:
        key = (crash.code, crash.error)
        first.setdefault(key, crash)
        times[key] = times.get(key, 0) + 1
    return tuple(_problem(crash, times[key]) for key, crash in first.items())


def _problem(crash: Crash, times: int) -> Problem:
    more = f" and at {times - 1} more places" if times > 1 else ""
    return Problem(
        f"rule {crash.code} {crash.name}",
        f"failed on {crash.where}{more}: {crash.error}; what it would have said there is missing",
        hides_results=True,
    )


def merged(*parts: Judged) -> Judged:
    """Several judgements as one, findings in order."""
    findings = {finding for part in parts for finding in part.findings}
    return Judged(
        findings=tuple(sorted(findings, key=lambda f: (f.order_key, f.function))),
        problems=tuple(problem for part in parts for problem in part.problems),
    )
