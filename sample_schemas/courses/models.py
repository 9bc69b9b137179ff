"""Models of a school's courses.

Course  1 --- n  Lesson
        1 --- n  Enrolment  n --- 1  Student
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncAttrs


class Base(AsyncAttrs, orm.DeclarativeBase):
    """Relations are awaited: `await course.awaitable_attrs.lessons`."""


class Course(Base):
    __tablename__ = "courses"

    id = sa.Column(sa.Integer, primary_key=True)
    title = sa.Column(sa.String(80), nullable=False, unique=True)
    level = sa.Column(sa.Enum("beginner", "advanced", name="course_level"), nullable=False)
    seats = sa.Column(sa.SmallInteger, nullable=False)
    lessons = orm.relationship("Lesson", order_by="Lesson.position")
    enrolments = orm.relationship("Enrolment", order_by="Enrolment.student_id")

    __table_args__ = (sa.CheckConstraint("seats BETWEEN 5 AND 500", name="seats_in_range"),)


class Lesson(Base):
    __tablename__ = "lessons"

    course_id = sa.Column(sa.ForeignKey("courses.id", ondelete="CASCADE"), primary_key=True)
    position = sa.Column(sa.Integer, primary_key=True, autoincrement=False)
    title = sa.Column(sa.String(80), nullable=False)


class Student(Base):
    __tablename__ = "students"

    id = sa.Column(sa.Integer, primary_key=True)
    email = sa.Column(sa.String(120), nullable=False, unique=True)
    joined = sa.Column(sa.Date, nullable=False)


class Enrolment(Base):
    """Which student takes which course; the primary key holds each pair once."""

    __tablename__ = "enrolments"

    course_id = sa.Column(sa.ForeignKey("courses.id", ondelete="CASCADE"), primary_key=True)
    student_id = sa.Column(
        sa.ForeignKey("students.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    grade = sa.Column(sa.Numeric(3, 1))
    student = orm.relationship(Student)

    __table_args__ = (
        sa.CheckConstraint("grade IS NULL OR (grade >= 1 AND grade <= 6)", name="grade_in_range"),
    )
