"""The defects. Each function here has a repaired twin in `repaired.py`."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
from sqlalchemy import orm

from courses import models, school


async def outline(sessions: school.Sessions) -> dict[str, list[str]]:
    """The titles of the lessons, by course."""
    found = {}
    async with sessions() as session:
        for course in await session.scalars(sa.select(models.Course)):
            lessons = await course.awaitable_attrs.lessons
            found[course.title] = [lesson.title for lesson in lessons]
    return found


async def gradebook(sessions: school.Sessions) -> dict[str, dict[str, float]]:
    """The grades, by course and student."""
    found = {}
    async with sessions() as session:
        courses = (await session.scalars(sa.select(models.Course))).all()
        for course in courses:
            grades = found.setdefault(course.title, {})
            for enrolment in await course.awaitable_attrs.enrolments:
                student = await enrolment.awaitable_attrs.student
                grades[student.email] = float(enrolment.grade)
    return found


async def reports(sessions: school.Sessions) -> list[tuple[str, int]]:
    """The number of courses of each student, all asked at once."""
    async with sessions() as session:
        students = (await session.scalars(sa.select(models.Student.id))).all()
    every = (_report(sessions, student) for student in students)  # expect: DBA301
    return await asyncio.gather(*every)


async def _report(sessions: school.Sessions, student_id: int) -> tuple[str, int]:
    async with sessions() as session:
        student = await session.get(models.Student, student_id)
        taken = await session.scalar(
            sa.select(sa.func.count())
            .select_from(models.Enrolment)
            .where(models.Enrolment.student_id == student_id)
        )
        return student.email, taken  # expect: DBA220


async def catalogue(sessions: school.Sessions) -> dict[str, int]:
    """The number of lessons, by course: fewer statements, but all lessons are loaded."""
    async with sessions() as session:
        query = sa.select(models.Course).options(orm.selectinload(models.Course.lessons))
        return {course.title: len(course.lessons) for course in await session.scalars(query)}


async def enrol_everyone(sessions: school.Sessions, title: str) -> int:
    """A new course that every student takes."""
    async with sessions() as session:
        course = models.Course(title=title, level="beginner", seats=500)
        session.add(course)
        for student in (await session.scalars(sa.select(models.Student))).all():
            await session.flush()
            session.add(models.Enrolment(course_id=course.id, student_id=student.id))
            await session.commit()
        return course.id
