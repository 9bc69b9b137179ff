"""DBA101: a value is formatted into SQL text that reaches the database."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.errors.caught import span_of
from auditor.rules.raw_sql.holes import Hole, open_holes
from auditor.rules.raw_sql.sinks import Given, texts_given, way_of
from auditor.source.facts import Call, FunctionFacts, ModuleFacts
from auditor.source.pieces import Kind, Place
from auditor.source.project import Project
from auditor.source.provenance import pieces_of


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Texts given to sinks that have a hole where a value belongs."""
    place = Place(project, module, function)
    for given in texts_given(project, module, function):
        if isinstance(given.text, Call) and _is_sink(project, module, given.text):
            continue  # the inner call is looked at itself
        holes = [hole for hole in open_holes(pieces_of(place, given.text)) if hole.is_value]
        if holes:
            yield _hit(module, function, given, holes)


def _is_sink(project: Project, module: ModuleFacts, call: Call) -> bool:
    return ("", project.resolve(module, call.func)) in project.knowledge.sinks


def _hit(module: ModuleFacts, function: FunctionFacts, given: Given, holes: list[Hole]) -> Hit:
    names = list(dict.fromkeys(hole.piece.source for hole in holes))
    return Hit(
        span_of(module, given.call.at),
        function.qualname,
        {"holes": ", ".join(f"`{name}`" for name in names), "origin": _origin(holes)},
        (way_of(module, given, tuple(hole.piece for hole in holes)),),
        confidence=_confidence(given, holes),
        severity=Severity.ERROR if _kinds(holes) & {Kind.INPUT} and given.sure else None,
    )


def _kinds(holes: list[Hole]) -> set[Kind]:
    return {hole.piece.kind for hole in holes}


def _origin(holes: list[Hole]) -> str:
    kinds = _kinds(holes)
    if Kind.INPUT in kinds:
        return "it comes from outside the program"
    if Kind.PARAMETER in kinds:
        return "the caller decides what it is"
    return "where it comes from is not known"


def _confidence(given: Given, holes: list[Hole]) -> Confidence:
    """High for a complete path from outside, or a hole between quotes; medium for a parameter."""
    if not given.sure:
        return Confidence.LOW
    kinds = _kinds(holes)
    if Kind.INPUT in kinds or any(hole.is_quoted for hole in holes):
        return Confidence.HIGH
    return Confidence.MEDIUM if Kind.PARAMETER in kinds else Confidence.LOW


RULE = Rule(
    code="DBA101",
    name="interpolated-value",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="{holes} is formatted into the text of a statement instead of bound: {origin}",
    why=(
        "A value that is part of the text is read as SQL. A quote in it ends the literal, and what"
        " follows runs as a statement of the attacker's; even where nobody attacks, a name such as"
        " `O'Brien` fails, and each value makes a new statement that no cache and no plan serves."
    ),
    instead='`text("... WHERE id = :id")` with `{"id": value}`, or an expression'
    " (`Table.c.id == value`); `text(...).bindparams(bindparam('ids', expanding=True))` for lists.",
    checks=(OnFunction(check),),
    bad=(
        Example(
            "an f-string in text()",
            """
            from sqlalchemy import text

            def names(session, project_id):
                statement = f"SELECT name FROM labels WHERE project_id = '{project_id}'"
                return session.execute(text(statement)).all()  # expect: DBA101
            """,
        ),
        Example(
            "built in steps",
            """
            from sqlalchemy import text

            def search(connection, name, limit: int):
                sql = "SELECT id FROM users"
                if name:
                    sql += " WHERE name LIKE '%" + name + "%'"
                sql += " LIMIT %d" % limit
                return connection.execute(text(sql))  # expect: DBA101
            """,
        ),
        Example(
            "a helper in another module builds it",
            """
            # --- app/build.py
            def by_name(name):
                return "SELECT id FROM users WHERE name = '%s'" % name
            # --- app/users.py
            from sqlalchemy import text
            from app.build import by_name

            def find(session, wanted):
                return session.execute(text(by_name(wanted)))  # expect: DBA101
            """,
        ),
        Example(
            "what a user sent",
            """
            from flask import request
            from sqlalchemy import text

            def view(session):
                name = request.args["name"]
                sql = "SELECT id FROM users WHERE name = {}".format(name)
                return session.execute(text(sql))  # expect: DBA101
            """,
        ),
        Example(
            "a cursor of the driver",
            """
            import sqlite3

            def remove(path, user):
                cursor = sqlite3.connect(path).cursor()
                cursor.execute("DELETE FROM users WHERE name = '%s'" % user)  # expect: DBA101
            """,
        ),
    ),
    good=(
        Example(
            "bound",
            """
            from sqlalchemy import text

            def names(session, project_id):
                statement = text("SELECT name FROM labels WHERE project_id = :project_id")
                return session.execute(statement, {"project_id": project_id}).all()
            """,
        ),
        Example(
            "a number",
            """
            from sqlalchemy import text

            def first(session, count):
                return session.execute(text(f"SELECT name FROM labels LIMIT {int(count)}"))
            """,
        ),
        Example(
            "constants, also of another module",
            """
            # --- app/names.py
            STATUS = "ACTIVE"
            # --- app/users.py
            from sqlalchemy import text
            from app import names

            KIND = "admin"

            def find(session):
                sql = "SELECT id FROM users WHERE status = '%s'" % names.STATUS
                return session.execute(text(sql + " AND kind = '" + KIND + "'"))
            """,
        ),
        Example(
            "generated placeholders",
            """
            from sqlalchemy import text

            def find(connection, ids):
                marks = ", ".join(":p%d" % n for n in range(len(ids)))
                return connection.execute(text(f"SELECT id FROM users WHERE id IN ({marks})"))
            """,
        ),
        Example(
            "a listed value",
            """
            from sqlalchemy import text

            def find(session, kind):
                if kind not in ("admin", "user"):
                    raise ValueError(kind)
                return session.execute(text(f"SELECT id FROM users WHERE kind = '{kind}'"))
            """,
        ),
        Example(
            "something else that executes",
            """
            from app import utils

            def run(name):
                utils.execute("kill -9 %s" % name)
                executor.execute(f"select = {name}")
            """,
        ),
    ),
    known_gaps=(
        "text kept in a dict or an object of the program is not followed through it",
        "a guard anywhere in the function counts, also when it stands after the use",
        "values whose origin is not known are reported with low confidence, unless between quotes",
    ),
    sources=("CWE-89", "SQLAlchemy: text() and bound parameters"),
)
