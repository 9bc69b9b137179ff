"""Asynchronous workloads on the sample, each with its repaired twin.

Run one with `auditor profile sample_schemas/courses/scenarios.py::outline`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from auditor.growth.scenario import Scenario, scenario
from courses import populate, repaired, reports, school

_SIZES = {"courses": (1, 2, 4), "lessons": (1, 2), "students": (1, 2, 4)}
# `selectinload` asks for 500 courses at a time.
_PAGES = {"courses": (1, 500, 501, 1000, 1001), "lessons": (1, 2)}

Call = Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class School:
    """An empty school on the scratch database."""

    url: str
    sessions: school.Sessions


async def _school(database: Any) -> School:
    """The school on the scratch database; runs once for each database."""
    return School(database.url, await school.opened(database.url))


def _on_all_tables(name: str, work: Callable[..., Awaitable[Any]], *more: Any) -> Scenario:
    """A scenario that calls a function on a school of the given sizes."""

    async def filled(of: School, courses: int, lessons: int, students: int) -> Call:
        populate.fill(of.url, courses, lessons, students)
        return lambda: work(of.sessions, *more)

    target = f"{work.__module__}:{work.__name__}"
    return scenario(sizes=_SIZES, name=name, prepare=_school, target=target)(filled)


outline = _on_all_tables("outline", reports.outline)
outline_repaired = _on_all_tables("outline_repaired", repaired.outline)
gradebook = _on_all_tables("gradebook", reports.gradebook)
gradebook_repaired = _on_all_tables("gradebook_repaired", repaired.gradebook)
all_reports = _on_all_tables("all_reports", reports.reports)
all_reports_repaired = _on_all_tables("all_reports_repaired", repaired.reports)
enrol_everyone = _on_all_tables("enrol_everyone", reports.enrol_everyone, "a new course")
enrol_everyone_repaired = _on_all_tables(
    "enrol_everyone_repaired", repaired.enrol_everyone, "a new course"
)


@scenario(sizes=_PAGES, prepare=_school, target="courses.reports:catalogue")
async def catalogue(of: School, courses: int, lessons: int) -> Call:
    """All lessons of all courses, in batches of 500 courses."""
    populate.fill(of.url, courses, lessons, students=1)
    return lambda: reports.catalogue(of.sessions)


@scenario(sizes=_PAGES, prepare=_school, target="courses.repaired:catalogue")
async def catalogue_repaired(of: School, courses: int, lessons: int) -> Call:
    """The same work by the repaired function."""
    populate.fill(of.url, courses, lessons, students=1)
    return lambda: repaired.catalogue(of.sessions)
