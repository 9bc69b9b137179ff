"""Fills an empty database from the metadata alone; equal sizes give equal rows.

For `courses=2, lessons=3, students=4`: two courses of 3 lessons, and 4 students who take both.
"""

from __future__ import annotations

import auditor
from courses import models


def fill(url: str, courses: int, lessons: int, students: int) -> dict[str, int]:
    """Insert courses with `lessons` each, and `students` who take every course; rows by table."""
    return auditor.seed(
        url,
        models.Base,
        {
            "courses": courses,
            "lessons": courses * lessons,
            "students": students,
            "enrolments": courses * students,
        },
        hooks={"enrolments.grade": lambda row: 1 + row % 6},
    )
