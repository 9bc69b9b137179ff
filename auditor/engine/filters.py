"""Which rules run, and which findings are shown: codes, paths, confidence, suppression comments."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from auditor.model.errors import SettingsError
from auditor.model.finding import Confidence, Finding, Problem
from auditor.model.settings import Settings
from auditor.rule import Check, Rule
from auditor.source.facts import ModuleFacts, Suppression

_RANK = {Confidence.HIGH: 0, Confidence.MEDIUM: 1, Confidence.LOW: 2}

Suppressions = Mapping[str, Sequence[Suppression]]
"""Suppression comments by path."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The findings to show, how many were hidden and why, and Problems with suppressions."""

    findings: tuple[Finding, ...]
    hidden: Mapping[str, int]
    problems: tuple[Problem, ...] = ()


def selected(rules: Iterable[Rule], settings: Settings) -> tuple[Rule, ...]:
    """The rules whose code is asked for. The longer of two prefixes wins, and `ignore` wins a tie.

    Raises SettingsError if a selected prefix is that of no rule: a typing error would look clean.
    """
    rules = tuple(rules)
    for prefix in settings.select:
        if not any(rule.code.startswith(prefix) for rule in rules):
            raise SettingsError(
                f"`select` has `{prefix}`, and no rule has such a code;"
                " `auditor rules list` names all"
            )
    return tuple(rule for rule in rules if is_selected(rule.code, settings))


def is_selected(code: str, settings: Settings) -> bool:
    """Whether a code is asked for."""
    wanted = _longest(settings.select, code) if settings.select else 0
    return wanted > _longest(settings.ignore, code)


def _longest(prefixes: Iterable[str], code: str) -> int:
    return max((len(prefix) for prefix in prefixes if code.startswith(prefix)), default=-1)


def ignore_problems(rules: Iterable[Rule], settings: Settings) -> tuple[Problem, ...]:
    """Ignored prefixes that are those of no rule: harmless, but probably not what was meant."""
    codes = [rule.code for rule in rules]
    ignores = [*settings.ignore, *(c for one in settings.per_file_ignores for c in one.codes)]
    return tuple(
        Problem("settings", f"`ignore` has `{prefix}`, and no rule has such a code")
        for prefix in dict.fromkeys(ignores)
        if not any(code.startswith(prefix) for code in codes)
    )


def suppression_problems(
    rules: Iterable[Rule], modules: Iterable[ModuleFacts]
) -> tuple[Problem, ...]:
    """Suppressed codes that no rule has: they hide nothing, and would look as if they did."""
    names = {rule.name.upper(): rule.code for rule in rules}
    codes = frozenset(names.values())
    return tuple(
        Problem(f"{module.path}:{one.line}", _unknown(code, names))
        for module in modules
        for one in module.suppressions
        for code in one.codes
        if code not in codes
    )


def _unknown(code: str, names: Mapping[str, str]) -> str:
    told = f"the suppression names `{code}`, and no rule has that code; it hides nothing"
    if code in names:
        return f"the suppression names a rule, and hides nothing: write its code, `{names[code]}`"
    below = sorted(one for one in names.values() if one.startswith(code))
    if below:
        return f"{told}: name each rule by its whole code, such as `{below[0]}`"
    return f"{told}; `auditor rules list` names all"


def with_checks(rules: Iterable[Rule], *kinds: type[Check]) -> tuple[Rule, ...]:
    """The rules that have a check of one of these kinds."""
    return tuple(rule for rule in rules if any(isinstance(one, kinds) for one in rule.checks))


def shown(
    findings: Iterable[Finding],
    settings: Settings,
    *,
    suppressions: Suppressions,
    ran: frozenset[str] | None,
) -> Shown:
    """The findings that no comment, path or confidence hides. `ran` holds the codes whose rules
    looked at all of the source; a suppression of one of these that hid nothing is a Problem. None:
    suppressions are not judged."""
    kept: list[Finding] = []
    used: set[tuple[str, int, str]] = set()
    hidden = {"suppressed": 0, "ignored": 0, "below_confidence": 0}
    for finding in findings:
        comment = _comment_on(finding, suppressions)
        if comment is not None:
            used.add((finding.span.path, comment.line, finding.code))
            hidden["suppressed"] += 1
        elif _is_ignored(finding, settings):
            hidden["ignored"] += 1
        elif _RANK[finding.confidence] > _RANK[settings.confidence]:
            hidden["below_confidence"] += 1
        else:
            kept.append(finding)
    problems = () if ran is None else _suppression_problems(suppressions, used, ran)
    return Shown(tuple(kept), {key: count for key, count in hidden.items() if count}, problems)


def _comment_on(finding: Finding, suppressions: Suppressions) -> Suppression | None:
    return next(
        (
            one
            for one in suppressions.get(finding.span.path, ())
            if finding.code in one.codes
            and one.reason
            and one.first <= finding.span.line <= one.last
        ),
        None,
    )


def _is_ignored(finding: Finding, settings: Settings) -> bool:
    return any(
        fnmatch.fnmatch(finding.span.path, one.pattern)
        and any(finding.code.startswith(code) for code in one.codes)
        for one in settings.per_file_ignores
    )


def _suppression_problems(
    suppressions: Suppressions, used: set[tuple[str, int, str]], ran: frozenset[str]
) -> tuple[Problem, ...]:
    return tuple(
        Problem(f"{path}:{one.line}", complaint)
        for path in sorted(suppressions)
        for one in suppressions[path]
        for complaint in _complaints(path, one, used, ran)
    )


def _complaints(
    path: str, one: Suppression, used: set[tuple[str, int, str]], ran: frozenset[str]
) -> list[str]:
    example = f"`# auditor: ignore[{one.codes[0] if one.codes else 'DBA301'}] at most three rows`"
    if not one.codes:
        return [f"the suppression names no code and hides nothing; write {example}"]
    if not one.reason:
        return [f"the suppression gives no reason and hides nothing; write {example}"]
    return [
        f"the suppression of {code} hides nothing any more: remove it"
        for code in one.codes
        if code in ran and (path, one.line, code) not in used
    ]
