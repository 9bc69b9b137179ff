"""DBA101: a value is formatted into SQL text that reaches the database."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.model.finding import Confidence, Severity
from auditor.model.span import Frame, Span
from auditor.model.tape import Entry, Tape
from auditor.rule import Example, Hit, Hits, LiveExample, OnFunction, OnTape, Rule
from auditor.rules.places import span_of
from auditor.rules.queries.recorded_loads import evidence_of
from auditor.rules.raw_sql.fragments import fragments
from auditor.rules.raw_sql.holes import (
    Hole,
    Role,
    confidence_of,
    names_of,
    open_holes,
    origin_of,
)
from auditor.rules.raw_sql.sinks import (
    Given,
    handed_on,
    is_looked_at_itself,
    pieces_given,
    texts_given,
    way_of,
)
from auditor.rules.recorded import Standing, is_set_up, path_of_entry
from auditor.rules.turns import Turn, turns_of
from auditor.source.facts import Const, FunctionFacts, Items, ModuleFacts
from auditor.source.project import Project


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Texts given to sinks that have a hole where a value belongs, or that come from outside."""
    for given in texts_given(project, module, function):
        if is_looked_at_itself(project, module, given):
            continue
        is_whole = not handed_on(function, given.text)
        holes = [
            hole
            for hole in open_holes(pieces_given(project, module, function, given))
            if hole.role is Role.VALUE or (_is_sent(hole) and is_whole)
        ]
        if holes:
            yield _hit(module, function, given, holes)


def recorded(tape: Tape, project: Project) -> Hits:
    """Lines that executed one statement with ever other literals in its text."""
    found: dict[tuple[Frame, str], list[Entry]] = {}
    for entry in tape.entries:
        if entry.texts >= LEAST_TEXTS and entry.site.stack and not _is_constant(project, entry):
            found.setdefault((entry.site.frame, entry.shape), []).append(entry)
    for (frame, _), entries in found.items():
        path = path_of_entry(project, entries[0])
        function = path[0].function.qualname if path[0].function is not None else frame.function
        texts = max(entry.texts for entry in entries)
        fields = {
            "texts": f"{texts} or more" if texts >= _MOST_TEXTS else str(texts),
            "times": f"{sum(entry.executions for entry in entries):,}",
        }
        evidence = tuple(evidence_of(entries))
        yield Hit(Span(frame.path, frame.line), function, fields, evidence, message=_RECORDED)


LEAST_TEXTS = 3
_MOST_TEXTS = 16  # where the recorder ends to count
_RECORDED = (
    "{texts} texts that differ only in the values written into them were executed here ({times}"
    " executions): bind the values, `text('... = :value')` with `{{'value': ...}}`"
)


def _is_constant(project: Project, entry: Entry) -> bool:
    """Whether the values are the source's own: set-up of tests, and loops over constants."""
    path = path_of_entry(project, entry)
    turns = turns_of(project, entry, path)
    is_listed = any(t.excuse == "the source bounds it" or _is_listed(path, t) for t in turns)
    return entry.verb not in _VERBS or is_set_up(path) or is_listed


def _is_listed(path: Sequence[Standing], turn: Turn) -> bool:
    """`for status in ("UP", "DOWN")`."""
    function = path[turn.depth].function
    over = function.regions[turn.region].expr if function is not None and turn.region > 0 else None
    return isinstance(over, Items) and all(isinstance(item, Const) for item in over.items)


_VERBS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE"})


def _is_sent(hole: Hole) -> bool:
    """Whether conditions or a whole statement come from outside the program."""
    return hole.role is Role.CLAUSE and hole.is_sent


def _hit(module: ModuleFacts, function: FunctionFacts, given: Given, holes: list[Hole]) -> Hit:
    is_sent = any(hole.is_sent for hole in holes)
    is_declared = (
        function.name == "<module>" and not is_sent
    )  # runs once, on the program's own words
    is_proven = given.sure and is_sent
    return Hit(
        span_of(module, given.call.at),
        function.qualname,
        {"holes": names_of(holes), "origin": origin_of(holes)},
        (way_of(module, given, tuple(hole.piece for hole in holes)),),
        confidence=confidence_of(holes, sure=given.sure and not is_declared),
        severity=Severity.ERROR if is_proven else None,
    )


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
    checks=(OnFunction(check), OnFunction(fragments), OnTape(recorded)),
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
        LiveExample(
            "recorded: a value for each row, in a text that another function builds",
            """
            import sqlalchemy as sa

            def prepare(engine):
                with engine.begin() as connection:
                    connection.exec_driver_sql("CREATE TABLE users (id INTEGER, name TEXT)")

            class Search:
                def __init__(self):
                    self.parts = ["SELECT id FROM users"]

                def by(self, **values):
                    self.parts += ["WHERE", *(f"{k} = '{v}'" for k, v in values.items())]
                    return self

            def names():
                return [f"user {number}" for number in range(5)]

            def run(engine):
                with engine.connect() as connection:
                    for name in names():
                        search = Search().by(name=name)
                        connection.execute(sa.text(" ".join(search.parts)))  # expect: DBA101
            """,
            (
                (
                    "run: 5 texts that differ only in the values written into them were executed"
                    " here (5 executions): bind the values, `text('... = :value')` with"
                    " `{'value': ...}`"
                ),
            ),
        ),
        Example(
            "handed to a function that opens a cursor on a connection of another library",
            """
            from warehouse import connect

            def run(conn, query):
                return conn.cursor().execute(query)

            def owner(project):
                query = f"SELECT owner FROM projects WHERE name = '{project}'"
                return run(connect(), query).fetchone()  # expect: DBA101
            """,
        ),
        Example(
            "what a tested dict has under a key",
            """
            from sqlalchemy import text

            def find(session, filters):
                assert is_valid_filters(filters)
                where = f"name = '{filters['name']}'"
                return session.execute(text(f"SELECT id FROM t WHERE {where}"))  # expect: DBA101
            """,
        ),
        Example(
            "a condition for somebody else's statement",
            """
            import sqlalchemy

            def conditions(filters):
                found = []
                for key, value in filters:
                    safe = value.replace("'", "''")
                    found.append("data->>'{}' LIKE '{}'".format(key, safe))  # expect: DBA101
                return " AND ".join(found)
            """,
        ),
    ),
    good=(
        Example(
            "the values of a statement of Core, which binds them",
            """
            from sqlalchemy import insert, update
            from app.models import Label

            def store(session, request, key):
                name = input()
                changes = {"name": name}
                session.execute(insert(Label).values(name=name))
                session.execute(update(Label).where(Label.id == key).values(**changes))
            """,
        ),
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
            "members of an enum, drawn letters, what the set-up of the object lists",
            """
            import random
            import string
            from sqlalchemy import text
            from app.enums import Status

            class Store:
                def __init__(self, distance):
                    self.distance = distance
                    if self.distance not in ("cosine", "euclidean"):
                        raise ValueError(distance)

                def find(self, session):
                    kinds = ", ".join(f"'{status}'" for status in Status if status.is_final)
                    mark = "".join(random.choice(string.ascii_lowercase) for _ in range(5))
                    where = f"kind IN ({kinds}) AND d = '{self.distance}' AND m = '{mark}'"
                    return session.execute(text(f"SELECT id FROM t WHERE {where}"))
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
        LiveExample(
            "recorded: bound values, and a constant in the text",
            """
            import sqlalchemy as sa

            def prepare(engine):
                with engine.begin() as connection:
                    connection.exec_driver_sql("CREATE TABLE users (id INTEGER, name TEXT)")

            def run(engine):
                query = sa.text("SELECT id FROM users WHERE name = :name AND id > 7")
                with engine.connect() as connection:
                    for number in range(5):
                        connection.execute(query, {"name": f"user {number}"})
            """,
        ),
        Example(
            "a condition of quoted and constant parts; words of another language",
            """
            import sqlalchemy

            def conditions(name, prefix):
                safe = name.replace("'", "''")
                found = [f"name LIKE '{safe}'", f"//label[@name='{prefix}']"]
                LOG.debug(f"WHERE name = '{name}'")
                return found
            """,
        ),
    ),
    known_gaps=(
        "text kept in a dict or an object of the program is not followed through it",
        "a guard anywhere in the function counts, also when it stands after the use",
        "of unknown origin, only locals and items between quotes have more than low confidence",
    ),
    sources=("CWE-89", "SQLAlchemy: text() and bound parameters"),
    in_tests=True,
)
