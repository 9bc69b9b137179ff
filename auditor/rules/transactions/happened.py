"""What judges of recorded transactions share: incidents of one place as one, and their words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from auditor.model.evidence import Evidence, Executions, SourcePath, Step
from auditor.model.span import Frame, Span
from auditor.model.tape import UNKNOWN_FRAME, Course, CourseStep, Incident, IncidentKind, Site, Tape
from auditor.rules.places import span_of
from auditor.rules.recorded import Standing, function_of, is_set_up, standings
from auditor.rules.turns import written
from auditor.source.facts import Call
from auditor.source.project import Project

KEEPING = frozenset(("plain", "writer", "independent writer", "savepoint"))
"""Kinds of transactions that keep what is written in them when they end well."""
READING = frozenset(("reader", "async reader", "independent reader", "independent async reader"))
_LEAST_SECONDS = 0.0005


def incidents(tape: Tape, project: Project, kind: IncidentKind) -> Iterator[Incident]:
    """The incidents of a kind that are no test's set-up, those of one line as one."""
    found: dict[tuple[object, ...], Incident] = {}
    for one in tape.incidents:
        if one.kind is not kind or is_prepared(project, one.site, one.opened):
            continue
        key = (one.site.frame, one.what, one.opened, one.transaction, one.work, one.is_block)
        known = found.get(key)
        found[key] = (
            one
            if known is None
            else replace(known, times=known.times + one.times, seconds=known.seconds + one.seconds)
        )
    yield from found.values()


def is_prepared(project: Project, site: Site, opened: Frame) -> bool:
    """Whether something happens in a test's set-up, or in a transaction that a fixture keeps open
    around the whole test."""
    return is_set_up(path_of(project, site)) or is_set_up((_standing(project, opened),))


def path_of(project: Project, site: Site) -> tuple[Standing, ...]:
    """The call path of a site with its facts, innermost first."""
    kept = project.shared.setdefault("paths of sites", {})
    if site not in kept:
        kept[site] = standings(project, site.stack)
    found: tuple[Standing, ...] = kept[site]
    return found


def _standing(project: Project, frame: Frame) -> Standing:
    found = function_of(project, frame)
    return Standing(frame) if found is None else Standing(frame, *found)


def span_at(project: Project, site: Site) -> Span:
    """The call at the innermost line of a site; the whole line if its source is not known."""
    path = path_of(project, site)
    if path and path[0].module is not None and path[0].event is not None:
        return span_of(path[0].module, path[0].event.at)
    return span_of_frame(site.frame)


def span_of_frame(frame: Frame) -> Span:
    """A line as a span."""
    return Span(frame.path, frame.line, 1, frame.line, 1)


def call_at(project: Project, site: Site, otherwise: str) -> str:
    """`time.sleep(...)`: the call at the innermost line of a site, in backticks."""
    path = path_of(project, site)
    event = path[0].event if path else None
    name = written(event.func) if isinstance(event, Call) else ""
    return f"`{name}()`" if name else otherwise


def opened_words(one: Incident | Course, site: Site) -> str:
    """`the writer of line 12`, with the file where it is another one."""
    kind = one.transaction if isinstance(one, Incident) else one.kind
    name = "transaction" if kind in {"plain", "savepoint"} else kind
    if one.opened == UNKNOWN_FRAME:
        return f"a {name} that was open"
    return f"the {name} of {line_of(one.opened, site.frame)}"


def line_of(frame: Frame, seen_from: Frame) -> str:
    """`line 12`, or `app/store.py:12` from another file."""
    return f"line {frame.line}" if frame.path == seen_from.path else f"{frame.path}:{frame.line}"


def times(number: int) -> str:
    """`once`, `twice`, `5 times`."""
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def seconds_in_all(seconds: float) -> str:
    """`, 0.25 s in all`; empty where it is too short to be told honestly."""
    return f", {seconds:.3g} s in all" if seconds >= _LEAST_SECONDS else ""


def evidence_of(one: Incident, what: str = "") -> tuple[Evidence, ...]:
    """Where the transaction was opened, and how often it happened."""
    seen = Executions(what or one.what, one.kind.value, one.times, 0, one.seconds, one.site.stack)
    if one.opened == UNKNOWN_FRAME:
        return (seen,)
    begins = Step(span_of_frame(one.opened), "begins here")
    return (SourcePath((begins, Step(span_of_frame(one.site.frame), what or one.what))), seen)


def path_of_steps(steps: Iterable[tuple[CourseStep, str]]) -> SourcePath:
    """Steps of a course with what they do, as evidence."""
    return SourcePath(tuple(Step(span_of_frame(s.site.frame), note) for s, note in steps))


def evidence_of_step(step: CourseStep, course: Course) -> Executions:
    """How often transactions took a course with this step."""
    return Executions(step.shape, "in a transaction", ended(course), 0, 0.0, step.site.stack)


def ended(course: Course) -> int:
    """How many transactions took this course."""
    return course.committed + course.rolled_back
