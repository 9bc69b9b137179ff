"""Recorded updates that write back what their transaction had read without a lock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from auditor.model.span import Frame
from auditor.model.tape import Course, CourseStep, Tape
from auditor.rules.fixes import class_of_table
from auditor.rules.recorded import function_of
from auditor.rules.transactions.computed import Change, changes_of, locks, values_of
from auditor.rules.transactions.happened import KEEPING
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.project import Project
from auditor.sql.locks import locked_tables

_UPDATE = re.compile(r"^UPDATE (?:ONLY )?\S+ SET (?P<values>.*?) WHERE (?P<where>.*)$")
_PLAIN = re.compile(r"(?:^|, )(?:\w+\.)?[`\"]?(?P<column>\w+)[`\"]? ?= ?\?(?=,|$)")

Found = tuple[ModuleFacts, FunctionFacts]


class Update(NamedTuple):
    """An update, the read before it, and the line that computes the value. `owner` is the mapped
    class, if one is known; `frame` is the line of `change`."""

    course: Course
    read: CourseStep
    write: CourseStep
    module: ModuleFacts
    change: Change
    frame: Frame
    owner: str


def unguarded_updates(tape: Tape, project: Project) -> Iterator[Update]:
    """Updates of a table that was read before in the transaction, with nothing locked before, and
    no version or old value compared."""
    for course in tape.courses:
        if course.kind not in KEEPING:
            continue
        for read, write in _pairs(course):
            found = _change(project, read, write)
            if found is not None:
                module, function, change = found
                name = function.qualname.replace(".<locals>", "")
                frame = Frame(module.path, change.at.line, name)
                owner = class_of_table(project, write.tables[0])
                yield Update(course, read, write, module, change, frame, owner)


def _pairs(course: Course) -> Iterator[tuple[CourseStep, CourseStep]]:
    read: dict[str, CourseStep] = {}
    for step in course.steps:
        if step.is_locking:
            return  # who has that lock does not meet another one
        if step.verb == "UPDATE" and step.tables and step.tables[0] in read:
            yield read[step.tables[0]], step
        taken = locked_tables(step.shape, step.verb, step.tables, is_locking=False)
        for table in step.tables:
            if step.verb == "SELECT" and table not in taken:
                read.setdefault(table, step)


def _change(
    project: Project, read: CourseStep, write: CourseStep
) -> tuple[ModuleFacts, FunctionFacts, Change] | None:
    """The line that computes a value which is written, among the functions on both call paths and
    those they call."""
    columns = _columns(write.shape)
    functions = _functions(project, read, write) if columns else []
    if any(locks(function) for _, function in functions[: len(write.site.stack)]):
        return None
    for module, function in functions:
        for change in changes_of(function):
            if change.target.rpartition(".")[2] in columns:
                return module, function, change
    direct = function_of(project, write.site.frame)
    if direct is not None:
        for column in columns:
            for change in values_of(direct[1], column):
                return direct[0], direct[1], change
    return None


def _columns(shape: str) -> frozenset[str]:
    """The columns that an UPDATE sets to plain values, if its condition is only the key."""
    found = _UPDATE.match(shape)
    if found is None or " AND " in found["where"]:
        return frozenset()
    return frozenset(match["column"] for match in _PLAIN.finditer(found["values"]))


def _functions(project: Project, read: CourseStep, write: CourseStep) -> list[Found]:
    """The functions on the call paths, then those that they call, then those of the mapped class;
    each once."""
    found: dict[int, Found] = {}
    for frame in (*write.site.stack, *read.site.stack):
        one = function_of(project, frame)
        if one is not None:
            found.setdefault(id(one[1]), one)
    for _, function in list(found.values()):
        for site in project.sites(function):
            if site.callee >= 0:
                scope = project.program.scopes[site.callee]
                found.setdefault(id(scope.function), (scope.module, scope.function))
    owner = class_of_table(project, write.tables[0])
    for module, function in project.functions() if owner else ():
        if function.class_name.rpartition(".")[2] == owner:
            found.setdefault(id(function), (module, function))
    return list(found.values())
