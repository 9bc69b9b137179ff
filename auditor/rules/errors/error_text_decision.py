"""DBA207: what a database error says decides what happens."""

from __future__ import annotations

import re
from collections.abc import Iterator

from auditor.knowledge.dialects import SQLITE
from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import Effect
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.errors.caught import (
    Handler,
    database_errors,
    handlers_of,
    is_broad,
    runs_operations,
)
from auditor.rules.errors.open_transactions import does, sites_within
from auditor.rules.places import span_of
from auditor.rules.raw_sql.dialects_compared import named_dialects
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Compare,
    Const,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Subscript,
    Test,
    dotted,
    path_of,
    walk,
)
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.traits import HANDLER

_AS_TEXT = frozenset(
    {"str", "repr", "six.text_type", "unicode", "encodeutils.exception_to_unicode"}
)
_TEXTS = frozenset({"message", "msg", "args", "pgerror", "_message", "_sql_message"})
_SEARCHES = frozenset({"search", "match", "find", "startswith", "endswith", "index", "fullmatch",
                       "findall", "count"})  # fmt: skip
_SAID = ("unique constraint", "duplicate entry", "duplicate key", "deadlock", "foreign key",
         "database is locked", "integrityerror", "no such table", "already exists",
         "violates", "lock wait timeout", "server has gone away", "ora-")  # fmt: skip
"""Words of databases; under `except Exception` only a text with one of them is looked at."""


_WORK = frozenset((Effect.READ, Effect.WRITE, Effect.STATEMENT, Effect.FLUSH, Effect.COMMIT))
_NUMBERLESS = ("Packet sequence number wrong", "database system is starting up")
"""What a driver says with no number beside it: of its own, or when no connection is made."""
_CONSTRAINT = re.compile(r"^[a-z0-9]+(?:_[a-z0-9]+)+$", re.IGNORECASE)
_STABLE = re.compile(r"^(?:[A-Z][a-z]+){2,}$|^(?:database |table )*(?:is )?(?:locked|busy)$")
"""The name of a class, which `repr()` shows; and the words of SQLite, which come in no other
language and had no number before Python 3.11."""


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Conditions on the text of a caught database error."""
    for handler in handlers_of(project, module, function):
        errors = database_errors(project, handler)
        if not handler.region.name or not (errors or is_broad(handler)):
            continue
        decisions = list(_decisions(function, handler))
        if decisions and not errors and not _is_of_database(project, module, function, handler):
            continue
        is_branch = any(test.kind != "logic" for test, _ in decisions)  # not `x in text and "word"`
        for test, sought in decisions:
            if not errors and not any(word in sought.lower() for word in _SAID):
                continue
            fields = {"sought": f" (`{sought[:60]}`)" if sought else ""}
            is_stable = not sought or _is_stable(project, sought) or _is_of_sqlite(errors)
            is_sure = is_branch and not is_stable and not runs_operations(function, handler)
            confidence = None if is_sure else Confidence.LOW
            yield Hit(span_of(module, test.at), function.qualname, fields, confidence=confidence)
            break


def _is_of_database(
    project: Project, module: ModuleFacts, function: FunctionFacts, handler: Handler
) -> bool:
    """Whether `except Exception` is about a database: the module imports a library whose errors are
    known, or the `try` works on one."""
    libraries = {name.partition(".")[0] for name in project.knowledge.errors}
    if any(target.partition(".")[0] in libraries for target in module.imports.values()):
        return True
    return any(does(project, s, _WORK) for s in sites_within(project, function, handler.tried))


def _is_stable(project: Project, sought: str) -> bool:
    """Whether the text is as good as a number: it comes with none, or names a constraint of a
    project that does nothing for SQLite, which does not tell those names."""
    if _STABLE.search(sought) or any(text in sought for text in _NUMBERLESS):
        return True
    return bool(_CONSTRAINT.search(sought)) and SQLITE not in named_dialects(project)


def _is_of_sqlite(errors: tuple[str, ...]) -> bool:
    """`except sqlite3.OperationalError`: one database, and one number for most of what it says;
    with errors of SQLAlchemy beside it the handler is of that database too."""
    return any(error.startswith("sqlite3.") for error in errors)


def _decisions(function: FunctionFacts, handler: Handler) -> Iterator[tuple[Test, str]]:
    """The conditions of a handler that look into the text of its error, and what they look for."""
    texts = _names_of_text(function, handler)
    for event in function.inside(handler.region):
        if isinstance(event, Test):
            looked = (_sought(part, handler.region.name, texts) for part in walk(event.expr))
            sought = next((text for text in looked if text is not None), None)
            if sought is not None:
                yield event, sought


def _names_of_text(function: FunctionFacts, handler: Handler) -> frozenset[str]:
    """Names that the handler binds to the text of the error, or to a match in it."""
    found: set[str] = set()
    for event in function.inside(handler.region):
        if isinstance(event, Bind) and event.kind == "assign" and event.value is not None:
            texts = frozenset(found)
            sought = (_sought(part, handler.region.name, texts) for part in walk(event.value))
            is_text = _is_text(event.value, handler.region.name, texts)
            found |= {event.target} if is_text or any(s is not None for s in sought) else set()
    return frozenset(found)


def _sought(part: Expr, error: str, texts: frozenset[str]) -> str | None:
    """What is looked for in the text of the error, None if the expression does not look there."""
    match part:
        case Compare(left=left, operators=(operator,), rights=(right,)):
            if operator in {"in", "not in"} and _is_text(right, error, texts):
                return _constant(left)
            if operator in {"==", "!="} and _is_text(left, error, texts):
                return _constant(right) or None
        case Call(func=func, args=args) if last_step(func) in _SEARCHES:
            places = (*((func.base,) if isinstance(func, Attribute) else ()), *args)
            if any(_is_text(place, error, texts) for place in places):
                return next((c for a in args if (c := _constant(a))), "")
        case Name(name=name) if name in texts and name.startswith(("match", "found", "m")):
            return ""
    return None


def _constant(expr: Expr) -> str:
    return expr.value if isinstance(expr, Const) and isinstance(expr.value, str) else ""


def _is_text(expr: Expr, error: str, texts: frozenset[str]) -> bool:
    """`str(error)`, `error.orig.args[0]`, `str(error.orig).lower()`, or a name of one of these."""
    while isinstance(expr, Call) and isinstance(expr.func, Attribute) and not expr.args:
        expr = expr.func.base  # .lower(), .strip()
    if isinstance(expr, Name):
        return expr.name in texts
    if isinstance(expr, Call):
        return dotted(expr.func) in _AS_TEXT and any(
            path_of(argument)[:1] == (error,) or _is_text(argument, error, texts)
            for argument in expr.args
        )
    if isinstance(expr, Subscript):
        return _is_text(expr.base, error, texts)
    path = path_of(expr)
    return path[:1] == (error,) and len(path) > 1 and path[-1] in _TEXTS


RULE = Rule(
    code="DBA207",
    name="error-text-decision",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="what happens is decided by the text of a database error{sought}, taking it that"
    " a class or a number tells it too: the text differs by server, version, driver and locale",
    why=(
        "Messages are written for people. They differ between servers, drivers, versions and"
        " languages: libpq 14 changed one word, and a library that looked for it no longer noticed"
        " that the server was down. A branch chosen by text is silently the other one after an"
        " upgrade."
    ),
    instead="Catch the class that means it (`DBDuplicateEntry`, `IntegrityError`), or compare the"
    " number: `error.orig.sqlstate`, `error.orig.pgcode`, `error.orig.args[0] == 1062`.",
    checks=(OnFunction(check, needs=(HANDLER,)),),
    bad=(
        Example(
            "a word in the message",
            """
            from sqlalchemy.exc import IntegrityError

            def store(session, row):
                try:
                    session.add(row)
                    session.commit()
                except IntegrityError as error:
                    session.rollback()
                    if "UNIQUE constraint" in str(error):  # expect: DBA207
                        raise Taken(row.name) from error
                    raise
            """,
        ),
        Example(
            "a pattern in the driver's message",
            """
            import re
            from sqlalchemy.exc import IntegrityError

            def attach(session, row):
                try:
                    session.flush()
                except IntegrityError as error:
                    if re.match(".*IntegrityError.*foreign key.*", error.args[0]):  # expect: DBA207
                        raise NotFound(row.parent) from error
                    raise
            """,
        ),
        Example(
            "the text in a name, under a broad handler",
            """
            def lock(session):
                try:
                    session.execute(take_lock())
                except Exception as error:
                    said = str(error).lower()
                    if "database is locked" in said:  # expect: DBA207
                        return False
                    raise
            """,
        ),
    ),
    good=(
        Example(
            "the class decides",
            """
            from oslo_db import exception as db_exc

            def store(session, row):
                try:
                    session.add(row)
                    session.flush()
                except db_exc.DBDuplicateEntry as error:
                    raise Taken(row.name) from error
            """,
        ),
        Example(
            "the number decides",
            """
            from sqlalchemy.exc import IntegrityError

            def store(session, row):
                try:
                    session.add(row)
                    session.flush()
                except IntegrityError as error:
                    if error.orig.args[0] == 1062 or error.orig.pgcode == "23505":
                        raise Taken(row.name) from error
                    raise
            """,
        ),
        Example(
            "the text is only told",
            """
            from sqlalchemy.exc import IntegrityError

            def store(session, row):
                try:
                    session.add(row)
                    session.flush()
                except IntegrityError as error:
                    if session.in_transaction():
                        LOG.error("not stored: %s", str(error))
                    raise
            """,
        ),
        Example(
            "an error of something else",
            """
            def fetch(client, key):
                try:
                    return client.get(key)
                except Exception as error:
                    if "404" in str(error):
                        return None
                    raise
            """,
        ),
    ),
    known_gaps=("an error that is handed to another function and looked at there",),
    sources=(
        "https://www.postgresql.org/docs/current/errcodes-appendix.html",
        "https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html",
    ),
)
