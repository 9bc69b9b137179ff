"""A review as Markdown: a verdict on security, ten points, a summary ordered by evidence."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import PurePosixPath

from auditor.model.evidence import Evidence, Executions, FaultSeen, Growth
from auditor.model.finding import Finding, Problem
from auditor.report.markdown import prose
from auditor.review.order import ADVICE, Told, concentrated, first_of, told_of
from auditor.review.points import (
    Materials,
    Point,
    live_evidence,
    many,
    place_of,
    points_of,
    rank_of,
    security_of,
)
from auditor.review.subject import Subject

_WITNESSED = ("seen live", "proven from the source", "one assumption", "advice")
_ASSUMED = 2
"""The rank of findings with one assumption."""
_SINGLY = 4
"""Findings of one rule told one by one; of more, a point lists the places."""
_LISTED = 30
_FILES = 6
"""Files that are named where findings are only counted."""


def rendered(
    materials: Materials,
    *,
    linked_with: int,
    problems: Sequence[Problem] = (),
    instead: Mapping[str, str] | None = None,
) -> str:
    """The review. `linked_with` is the number of other modules that were known, `instead` says by
    code what to write instead."""
    subject = materials.subject
    points = points_of(materials)
    told = told_of(materials, points)
    lines = [
        f"# Review of the database layer: {_title(subject)}",
        "",
        *_verdict(materials),
        "",
        f"{_looked_at(subject)}; {many(linked_with, 'other module')} of the program were known.",
        *_first(told, materials, instead or {}),
    ]
    for point in points:
        lines += ["", *_point(point, subject)]
    lines += ["", "## Summary, best witnessed first", "", *_summary(told, subject)]
    if problems:
        lines += ["", "## What could not be looked at", ""]
        lines += [f"- {prose(p.subject)}: {prose(p.message)}" for p in problems]
    return "\n".join(lines) + "\n"


def _title(subject: Subject) -> str:
    paths = [f"`{module.path}`" for module in subject.modules]
    if len(paths) <= _SINGLY:
        return ", ".join(paths)
    folder = os.path.commonpath([PurePosixPath(module.path).parent for module in subject.modules])
    if folder:
        return f"`{folder}`, {len(paths)} modules"
    return f"{paths[0]} and {len(paths) - 1} more modules"


def _looked_at(subject: Subject) -> str:
    lines = sum(module.lines for module in subject.modules)
    of = f", all of `{subject.class_name}`," if subject.class_name else ""
    calling = len(subject.calling)
    more = f", and {calling:,} more call functions elsewhere that do" if calling else ""
    return (
        f"Looked at {many(len(subject.modules), 'module')} of {many(lines, 'line')},"
        f" {many(subject.functions, 'function')}, {len(subject.working)} of which{of} work on the"
        f" database at {many(subject.statements, 'place')}{more}"
    )


def _first(told: Sequence[Told], materials: Materials, instead: Mapping[str, str]) -> Iterator[str]:
    chosen = first_of(materials, told)
    if not chosen:
        return
    yield from ("", "## What to do first", "")
    for number, one in enumerate(chosen, 1):
        advice = instead.get(one.finding.code, "")
        yield f"{number}. {_bullet(one.finding, materials.subject)[2:]}"
        if advice:
            yield f"   Instead: {prose(advice)}"
    files = concentrated(materials, told)
    if len(files) > 1:
        yield ""
        yield f"Most findings are in {_counted(files)}."


def _counted(files: Sequence[tuple[str, int]]) -> str:
    shown = ", ".join(f"{prose(path)} ({number})" for path, number in files[:_FILES])
    more = len(files) - _FILES
    return f"{shown} and {many(more, 'more file')}" if more > 0 else shown


def _verdict(materials: Materials) -> Iterator[str]:
    found = security_of(materials)
    number = materials.subject.texts
    texts = f"{many(number, 'text')} that become{'s' if number == 1 else ''} SQL"
    if not found:
        looked = f"looked at {texts}" if number else "no text becomes SQL here"
        yield f"**Security defects in the database layer: none found** ({looked})."
        return
    proven = sum(rank_of(finding) < _ASSUMED for finding in found)
    split = f", {proven} proven" if proven < len(found) else ""
    yield f"**Security defects in the database layer: {len(found)}{split}** (looked at {texts})."
    yield ""
    yield from (_bullet(finding, materials.subject) for finding in found)


def _point(point: Point, subject: Subject) -> Iterator[str]:
    yield f"## {point.code} {point.title}"
    yield ""
    for _, group in groupby(point.findings, key=lambda finding: (finding.code, rank_of(finding))):
        findings = list(group)
        if len(findings) <= _SINGLY:
            yield from (_bullet(finding, subject) for finding in findings)
        else:
            yield _folded(findings, subject)
    if not point.findings and not point.remarks:
        yield "- nothing found"
    yield from (f"- {remark}" for remark in point.remarks)
    if point.advice:
        more = "piece" if point.advice == 1 else "pieces"
        yield f"- {point.advice} {more} of advice more: `--confidence low` shows them"
    yield ""
    yield f"Looked at {point.looked}."


def _bullet(finding: Finding, subject: Subject) -> str:
    live = list(_seen(live_evidence(finding)))
    seen = f"; **{'; '.join(live)}**" if live else ""
    witnessed = "" if live else f", {_WITNESSED[rank_of(finding)]}"
    return (
        f"- {_where(finding, subject)} {prose(_message(finding))}{seen}"
        f" ({finding.code} {finding.name}{witnessed})"
    )


def _message(finding: Finding) -> str:
    """The message without the name of the function, which stands before it."""
    own = f"`{finding.function.rpartition('.')[2]}` "
    return finding.message.removeprefix(own)


def _folded(findings: Sequence[Finding], subject: Subject) -> str:
    """Many findings of one rule on one line: how many of how many, and where."""
    first = findings[0]
    of = f" of {len(subject.public)}" if first.code in {"DBA602", "DBA603"} else ""
    words = _FOLDED.get(first.code, f"{first.name}, such as: {prose(first.message)}")
    return f"- {len(findings)}{of} {words}: {_places(findings, subject)} ({first.code})"


def _places(findings: Sequence[Finding], subject: Subject) -> str:
    """Where findings are; by file if there are several, the one with most first; of very many only
    the files."""
    files = _by_file(findings)
    if len(findings) > _LISTED and len(files) > 1:
        return _counted([(path, len(own)) for path, own in files])
    if len(subject.modules) == 1:
        places = [_where(finding, subject) for finding in findings[:_LISTED]]
        more = len(findings) - _LISTED
        return ", ".join(places) + (f" and {more} more" if more > 0 else "")
    return "; ".join(
        f"{prose(path)}: " + ", ".join(f"`{one.function}:{one.span.line}`" for one in own)
        for path, own in files
    )


def _by_file(findings: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    number = Counter(finding.span.path for finding in findings)
    ordered = sorted(number, key=lambda path: (-number[path], path))
    return [(path, [one for one in findings if one.span.path == path]) for path in ordered]


_FOLDED = {
    "DBA602": "public functions lack a type on a parameter or on the result",
    "DBA603": "public functions have no docstring, here or in a class above",
}


def _where(finding: Finding, subject: Subject) -> str:
    span = finding.span
    return place_of(subject, span.path, finding.function, span.line)


def _seen(found: Sequence[Evidence]) -> Iterator[str]:
    """What live witnesses saw, in few words; executions together, whatever their cause."""
    executed = [one for one in found if isinstance(one, Executions)]
    if executed:
        total = sum(one.executions for one in executed)
        indirect = total - sum(one.executions for one in executed if one.cause == "explicit")
        times = "once" if total == 1 else f"{total:,} times"
        loads = f", {indirect:,} of them for relationships" if indirect else ""
        yield f"executed {times}{loads}"
    for one in dict.fromkeys(found):
        if isinstance(one, Growth):
            yield f"grows {one.term} (law of {one.scenario} on {one.database}: {one.law})"
        elif isinstance(one, FaultSeen):
            yield f"{one.fault}: {one.verdict}"


def _summary(told: Sequence[Told], subject: Subject) -> Iterator[str]:
    """Each finding once, many of one rule as one line; the best witnessed first, and of these the
    worst."""
    lines = []
    for (rank, where, _), group in groupby(told, key=_heading):
        found = [one.finding for one in group]
        is_advice = rank == ADVICE and len(found) > 1
        if is_advice or len(found) > _SINGLY:
            shown = f": {_counted([(p, len(own)) for p, own in _by_file(found)])}"
            files = "" if is_advice or len(subject.modules) == 1 else shown
            lines.append((rank, f"{len(found)} places {found[0].name} ({where}){files}"))
            continue
        lines += [(rank, f"{_where(one, subject)} {one.name} ({where})") for one in found]
    if not lines:
        yield "Nothing was found."
    for number, (rank, line) in enumerate(lines, 1):
        yield f"{number}. **{_WITNESSED[rank]}**: {line}"


def _heading(one: Told) -> tuple[int, str, str]:
    return rank_of(one.finding), one.where, one.finding.code
