"""The recorded half of DBA215: a row that was looked up, not found and inserted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from auditor.model.evidence import Executions
from auditor.model.finding import Confidence
from auditor.model.tape import Course, CourseStep, Entry, Site, Tape
from auditor.rule import Hit, Hits
from auditor.rules.fixes import class_of_table
from auditor.rules.recorded import function_of
from auditor.rules.transactions.happened import ended, is_prepared, span_at
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.models import Model
from auditor.source.project import Project
from auditor.sql.conditions import compared_columns

Answered = Callable[[Project, ModuleFacts, FunctionFacts], bool]
_UPSERTS = (" ON CONFLICT", " ON DUPLICATE KEY")
_DUPLICATES = ("IntegrityError", "DBDuplicateEntry")


def insertions(tape: Tape, project: Project, is_answered: Answered) -> Hits:
    """Inserts into a table that the same function had looked a unique key up in, and found nothing.
    Advice, until an insert is seen to fail of a duplicate."""
    seen: set[tuple[str, int]] = set()
    entries = {(entry.site, entry.shape): entry for entry in tape.entries}
    for course in tape.courses:
        for read, write in _pairs(course):
            key = (write.site.frame.path, write.site.frame.line)
            if key in seen or is_prepared(project, write.site, course.opened):
                continue
            hit = _judged(project, course, (read, write), entries, is_answered)
            if hit is not None:
                seen.add(key)
                yield hit


def _pairs(course: Course) -> Iterator[tuple[CourseStep, CourseStep]]:
    read: dict[str, CourseStep] = {}
    for step in course.steps:
        if step.is_locking:
            return
        is_plain = step.verb == "INSERT" and not any(mark in step.shape for mark in _UPSERTS)
        if is_plain and step.tables and step.tables[0] in read:
            yield read[step.tables[0]], step
        if step.verb == "SELECT" and len(step.tables) == 1:
            read[step.tables[0]] = step


def _judged(
    project: Project,
    course: Course,
    steps: tuple[CourseStep, CourseStep],
    entries: dict[tuple[Site, str], Entry],
    is_answered: Answered,
) -> Hit | None:
    read, write = steps
    functions = [f for frame in write.site.stack if (f := function_of(project, frame)) is not None]
    reading = [frame.function for frame in read.site.stack]
    is_one = any(frame.function in reading for frame in write.site.stack[:2])
    unique = _unique(project, read)
    looked = entries.get((read.site, read.shape))
    if not is_one or not unique or looked is None or looked.rows >= looked.executions:
        return None
    if any(is_answered(project, module, function) for module, function in functions):
        return None
    inserted = entries.get((write.site, write.shape))
    errors = dict(inserted.errors) if inserted is not None else {}
    is_shown = any(name.endswith(_DUPLICATES) for name in errors)
    fields = {
        "model": class_of_table(project, write.tables[0]) or write.tables[0],
        "line": read.site.frame.line,
        "unique": ", ".join(f"`{column}`" for column in unique),
    }
    evidence = Executions(write.shape, "inserted", ended(course), 0, 0.0, write.site.stack)
    return Hit(
        span_at(project, write.site),
        write.site.frame.function,
        fields,
        (evidence,),
        confidence=Confidence.MEDIUM if is_shown else Confidence.LOW,
    )


def _unique(project: Project, read: CourseStep) -> tuple[str, ...]:
    """The unique columns that a look-up compares, empty if it compares none whole."""
    compared = {c for columns in compared_columns(read.shape).values() for c in columns}
    for model in _models(project, read.tables[0]):
        for unique in model.uniques:
            if unique and set(unique) <= compared:
                return unique
    return ()


def _models(project: Project, table: str) -> Iterator[Model]:
    return (model for model in project.models.by_name.values() if model.table == table)
