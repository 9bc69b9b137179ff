"""A review as Markdown: a verdict on security, ten points, a summary ordered by evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from auditor.model.evidence import Evidence, Executions, FaultSeen, Growth
from auditor.model.finding import Finding, Problem
from auditor.report.markdown import prose
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
_ADVICE = len(_WITNESSED) - 1
_SINGLY = 4
"""Findings of one rule told one by one; of more, a point lists the places."""
_LISTED = 30


def rendered(materials: Materials, *, linked_with: int, problems: Sequence[Problem] = ()) -> str:
    """The review. `linked_with` is the number of other modules that were known."""
    subject = materials.subject
    points = points_of(materials)
    lines = [
        f"# Review of the database layer: {_title(subject)}",
        "",
        *_verdict(materials),
        "",
        f"{_looked_at(subject)}; {many(linked_with, 'other module')} of the program were known.",
    ]
    for point in points:
        lines += ["", *_point(point, subject)]
    lines += ["", "## Summary, best witnessed first", "", *_summary(materials, points)]
    if problems:
        lines += ["", "## What could not be looked at", ""]
        lines += [f"- {prose(p.subject)}: {prose(p.message)}" for p in problems]
    return "\n".join(lines) + "\n"


def _title(subject: Subject) -> str:
    paths = [f"`{module.path}`" for module in subject.modules]
    if len(paths) <= _SINGLY:
        return ", ".join(paths)
    return f"{paths[0]} and {len(paths) - 1} more modules"


def _looked_at(subject: Subject) -> str:
    lines = sum(module.lines for module in subject.modules)
    of = f", all of `{subject.class_name}`," if subject.class_name else ""
    return (
        f"Looked at {many(len(subject.modules), 'module')} of {many(lines, 'line')},"
        f" {many(subject.functions, 'function')}, {len(subject.working)} of which{of} work on the"
        f" database at {many(subject.statements, 'place')}"
    )


def _verdict(materials: Materials) -> Iterator[str]:
    found = security_of(materials)
    number = materials.subject.texts
    texts = f"{many(number, 'text')} that become{'s' if number == 1 else ''} SQL"
    if not found:
        looked = f"looked at {texts}" if number else "no text becomes SQL here"
        yield f"**Security defects in the database layer: none found** ({looked})."
        return
    yield f"**Security defects in the database layer: {len(found)}** (looked at {texts})."
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
    is_silent = not point.findings and not point.remarks
    if not point.findings and (point.code != "610" or is_silent):
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
    places = ", ".join(_where(finding, subject) for finding in findings[:_LISTED])
    more = f" and {len(findings) - _LISTED} more" if len(findings) > _LISTED else ""
    of = f" of {len(subject.public)}" if first.code in {"DBA602", "DBA603"} else ""
    words = _FOLDED.get(first.code, f"{first.name}, such as: {prose(first.message)}")
    return f"- {len(findings)}{of} {words}: {places}{more} ({first.code})"


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


def _summary(materials: Materials, points: Sequence[Point]) -> Iterator[str]:
    """Each finding once, those of one rule that is only advice as one; the best witnessed first,
    and of these security first."""
    subject = materials.subject
    told = [(rank_of(finding), "security", finding) for finding in security_of(materials)]
    told += [(rank_of(f), f"point {point.code}", f) for point in points for f in point.findings]
    lines = [
        f"**{_WITNESSED[rank]}**: {_where(finding, subject)} {finding.name} ({where})"
        for rank, where, finding in sorted(told, key=lambda one: one[0])
        if rank < _ADVICE
    ]
    advice = sorted(one for one in {(w, f.code, f.name) for rank, w, f in told if rank == _ADVICE})
    for where, code, name in advice:
        members = [f for rank, _, f in told if rank == _ADVICE and f.code == code]
        place = _where(members[0], subject) if len(members) == 1 else f"{len(members)} places"
        lines.append(f"**{_WITNESSED[_ADVICE]}**: {place} {name} ({where})")
    if not lines:
        yield "Nothing was found."
    yield from (f"{number}. {line}" for number, line in enumerate(lines, 1))
