"""DBA105: an UPDATE or DELETE without WHERE, as text, as an expression or on a query."""

from __future__ import annotations

import re
from collections.abc import Iterator

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import QUERY
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.rules.raw_sql.sinks import is_migration, texts_given
from auditor.rules.raw_sql.statements import HOLE, statements_of
from auditor.source.facts import (
    At,
    Attribute,
    Bind,
    Call,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    dotted,
)
from auditor.source.project import Project
from auditor.sql.tables import tables_in
from auditor.sql.tokens import tokens_of

_ALL = re.compile(
    r"(?:^|_)(?:all|clear|purge|reset|truncate|wipe|empty|flush|drop|clean|cleanup|teardown|reload"
    r"|rebuild|migrate|upgrade|downgrade|load|init|initialize|seed|restore|import)(?:_|$)",
    re.IGNORECASE,
)
_SCRATCH = re.compile(r"(?:^|_)(?:te?mp|staging|scratch|cache|alembic_version)", re.IGNORECASE)
_NOT_NARROWING = frozenset(
    "self cls session context ctx connection conn engine db cursor bind op args kwargs".split()
)
_CONSTRUCTS = frozenset({"update", "delete"})
_KEEPS_WHOLE = frozenset(
    {
        "values",
        "returning",
        "execution_options",
        "options",
        "query",
        "prefix_with",
        "ordered_values",
    }
)
"""Links of a chain that leave every row of the table in it."""


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Writes to all rows of a table in a function whose name does not say so."""
    around = f"{module.name.rpartition('.')[2]}_{function.qualname.replace('.', '_')}"
    if is_migration(module) or _ALL.search(_plain(around)):
        return
    found = (*_in_text(project, module, function), *_in_expressions(project, module, function))
    for at, verb, table in found:
        if _SCRATCH.search(_plain(table)):
            continue
        narrowing = [p.name for p in function.parameters if p.name not in _NOT_NARROWING]
        names = ", ".join(f"`{name}`" for name in narrowing) or "something"
        fields = {"verb": verb, "table": table, "narrowing": names}
        confidence = None if narrowing else Confidence.LOW
        yield Hit(span_of(module, at), function.qualname, fields, confidence=confidence)


def _plain(name: str) -> str:
    """`deleteAll` -> `delete_All`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)


def _in_text(
    project: Project, module: ModuleFacts, function: FunctionFacts
) -> Iterator[tuple[At, str, str]]:
    for statement in statements_of(project, module, function):
        tokens = tokens_of(statement.sql.replace(HOLE, " hole "))
        if not statement.given.sure or tokens[:1] not in (("UPDATE",), ("DELETE",)):
            continue
        is_open = "WHERE" in tokens or "LIMIT" in tokens or "hole" in tokens[2:]
        tables = tables_in(tokens)
        if tables and not is_open and "hole" not in tables and "JOIN" not in tokens:
            yield statement.given.call.at, tokens[0], tables[0]


def _in_expressions(
    project: Project, module: ModuleFacts, function: FunctionFacts
) -> Iterator[tuple[At, str, str]]:
    for given in texts_given(project, module, function):
        found = _construct(project, module, function, given.text)
        if found is not None:
            yield (given.call.at, *found)
    for position, event in enumerate(function.events):
        table = _table_of_query(event) if isinstance(event, Call) else ""
        if not table or not isinstance(event, Call) or not isinstance(event.func, Attribute):
            continue
        if project.value(module, function, position, event.func.base).kind == QUERY:
            yield event.at, event.func.name.upper(), table


def _table_of_query(call: Call) -> str:
    """What `session.query(Model).delete()` writes; empty for other calls and filtered queries."""
    func = call.func
    if not isinstance(func, Attribute) or func.name not in _CONSTRUCTS:
        return ""
    root = _root(func.base)
    is_whole = _links(func.base)[1:] == ("query",) and root is not None and root.args
    return dotted(root.args[0]) if is_whole and root is not None else ""


def _construct(
    project: Project, module: ModuleFacts, function: FunctionFacts, expr: Expr
) -> tuple[str, str] | None:
    """Verb and table of `update(Model).values(...)` and the like that has no condition."""
    if isinstance(expr, Name):
        binds = [e for e in function.events if isinstance(e, Bind) and e.target == expr.name]
        expr = binds[0].value or expr if len(binds) == 1 and binds[0].kind == "assign" else expr
    verb, *links = _links(expr) or ("",)
    root = _root(expr)
    resolved = project.resolve(module, verb)
    if not resolved.startswith(("sqlalchemy.", "sqlmodel.")) or root is None or not root.args:
        return None
    name = resolved.rpartition(".")[2]
    table = dotted(root.args[0])
    is_whole = name in _CONSTRUCTS and set(links) <= _KEEPS_WHOLE and bool(table)
    return (name.upper(), table.rpartition(".")[2]) if is_whole else None


def _links(expr: Expr) -> tuple[str, ...]:
    """What a chain of calls is made of, first link first: `update(M).values(...)` gives `update`,
    `values`; `session.query(M)` gives `session`, `query`."""
    links: list[str] = []
    while isinstance(expr, Call) and isinstance(expr.func, Attribute) and not dotted(expr.func):
        links.append(expr.func.name)
        expr = expr.func.base
    if isinstance(expr, Call):
        if isinstance(expr.func, Attribute) and expr.func.name == "query":
            return (dotted(expr.func.base), "query", *reversed(links))
        return (dotted(expr.func), *reversed(links))
    return ()


def _root(expr: Expr) -> Call | None:
    """The innermost call of a chain."""
    while isinstance(expr, Call) and isinstance(expr.func, Attribute):
        if dotted(expr.func):
            return expr
        expr = expr.func.base
    return expr if isinstance(expr, Call) else None


RULE = Rule(
    code="DBA105",
    name="whole-table-write",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="{verb} without WHERE writes every row of `{table}` (taking it that {narrowing} should"
    " narrow it)",
    why=(
        "A condition that was forgotten, or lost when the statement was rebuilt, changes or removes"
        " the rows of every tenant. The statement locks the whole table until its transaction ends."
    ),
    instead="Add the condition. Where all rows are meant, say so in the function's name"
    " (`delete_all_labels`), or suppress the finding with the reason.",
    checks=(OnFunction(check),),
    bad=(
        Example(
            "text",
            """
            from sqlalchemy import text

            def disable(session, user_id):
                session.execute(text("UPDATE users SET enabled = false"))  # expect: DBA105
            """,
        ),
        Example(
            "an expression",
            """
            from sqlalchemy import update
            from app.models import User

            def disable(session, user_id):
                statement = update(User).values(enabled=False)
                session.execute(statement)  # expect: DBA105
            """,
        ),
        Example(
            "a query",
            """
            from sqlalchemy.orm import Session
            from app.models import User

            def forget(session: Session, user_id):
                session.query(User).delete()  # expect: DBA105
            """,
        ),
    ),
    good=(
        Example(
            "with a condition",
            """
            from sqlalchemy import text, update
            from sqlalchemy.orm import Session
            from app.models import User

            def disable(session: Session, user_id):
                session.execute(
                    text("UPDATE users SET enabled = false WHERE id = :id"), {"id": user_id})
                session.execute(update(User).where(User.id == user_id).values(enabled=False))
                session.query(User).filter_by(id=user_id).delete()
            """,
        ),
        Example(
            "a condition added later",
            """
            from sqlalchemy import update
            from app.models import User

            def disable(session, user_id):
                statement = update(User).values(enabled=False)
                if user_id:
                    statement = statement.where(User.id == user_id)
                session.execute(statement)
            """,
        ),
        Example(
            "the name says it",
            """
            from sqlalchemy import text

            def clear_cache(session):
                session.execute(text("DELETE FROM cache"))
            """,
        ),
        Example(
            "a migration",
            """
            from alembic import op

            def _fill():
                op.execute("UPDATE labels SET shared = false")
            """,
        ),
        Example(
            "text that goes on",
            """
            from sqlalchemy import text

            def forget(session, user_id):
                sql = "DELETE FROM users"
                sql += " WHERE id = :id"
                session.execute(text(sql), {"id": user_id})
            """,
        ),
        Example(
            "a dict and a set",
            """
            def keep(found, query):
                found.update({"a": 1})
                query.delete()
            """,
        ),
    ),
    known_gaps=(
        "statements and queries that are handed to the function are not reported",
        "in a function that takes nothing to narrow by it is reported with low confidence",
        "`table.delete()` of a Core table is not reported",
    ),
    sources=("SQLAlchemy: ORM-enabled UPDATE and DELETE",),
)
