"""DBA107: a value is put into a LIKE pattern with its `%` and `_` still wildcards."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from auditor.model.evidence import SourcePath
from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.rules.raw_sql.sinks import is_migration, path_to, uses_sqlalchemy
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Const,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    dotted,
    walk,
)
from auditor.source.pieces import Kind, Piece, Place
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.provenance import pieces_of
from auditor.source.value import COLUMN

_PATTERNS = frozenset({"like", "ilike", "notlike", "not_like", "notilike", "not_ilike"})
_PARTS = frozenset({"contains", "startswith", "endswith", "icontains", "istartswith", "iendswith"})
"""They add the `%` themselves; on strings and lists the same names mean something else."""
_TEXTS = frozenset({"String", "Text", "Unicode", "UnicodeText", "VARCHAR", "TEXT", "str"})
_NO_WILDCARDS = re.compile(r"(?:\b|_)(?:u?u?id|mac|address)\W*$")
"""Names of what holds no `%`, and no `_` that matters."""
_SAYS_PATTERN = re.compile(r"(?:\b|_)(?:i?like|pattern|glob|wildcards?|mask)\W*$")
"""Names of what is said to be a pattern."""
_GLOB = ("*", "?")
"""Wildcards that users know."""
_OPEN = frozenset({Kind.PARAMETER, Kind.INPUT})


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Patterns built around what a caller or user sent."""
    if not uses_sqlalchemy(module) or is_migration(module):
        return
    told: set[str] = set()
    place = Place(project, module, function)
    for position, event in enumerate(function.events):
        if not isinstance(event, Call) or not event.args or not _is_like(place, position, event):
            continue
        pattern = event.args[0]
        pieces = pieces_of(place, pattern)
        holes = [piece for piece in pieces if not piece.kind.is_safe]
        if holes and _is_built(event, pieces) and not _calls(function, pattern, _is_escape):
            holes = [hole for hole in holes if hole.kind in _OPEN] or holes
            names = ", ".join(f"`{name}`" for name in dict.fromkeys(h.source for h in holes))
            if names not in told:  # a value searched for in five columns is one finding
                told.add(names)
                hit = _hit(module, function, event, holes, names)
                is_glob = _calls(function, pattern, _is_glob)
                yield replace(hit, confidence=Confidence.LOW) if is_glob else hit


def _hit(
    module: ModuleFacts, function: FunctionFacts, call: Call, holes: Sequence[Piece], names: str
) -> Hit:
    is_open = any(
        hole.kind in _OPEN
        and not _NO_WILDCARDS.search(hole.source.lower())
        and not _SAYS_PATTERN.search(hole.source.lower())
        for hole in holes
    )
    way: tuple[SourcePath, ...] = (
        path_to(module, call.at, holes, "it becomes part of a pattern here"),
    )
    return Hit(
        span_of(module, call.at),
        function.qualname,
        {"holes": names, "method": call.func.name if isinstance(call.func, Attribute) else ""},
        way,
        confidence=None if is_open else Confidence.LOW,
    )


def _is_like(place: Place, position: int, call: Call) -> bool:
    """Whether the call compares a column with a pattern, and nothing is said of escaping."""
    if not isinstance(call.func, Attribute):
        return False
    if call.keyword("escape") is not None or call.keyword("autoescape") is not None:
        return False
    if call.func.name in _PATTERNS:
        return True
    if call.func.name not in _PARTS:
        return False
    value = place.project.value(place.module, place.function, position, call.func.base)
    model = place.project.models.by_name.get(value.name)
    bound = model.columns.get(value.method) if value.kind == COLUMN and model else None
    return bound is not None and _is_text_column(bound.bind)


def _is_text_column(bind: Bind) -> bool:
    """Whether a column is declared as text: `Column(String)`, `Mapped[str]`."""
    declared = (*walk(bind.value), *walk(bind.annotation))
    return any(dotted(found).rpartition(".")[2] in _TEXTS for found in declared)


def _is_built(call: Call, pieces: Sequence[Piece]) -> bool:
    """Whether a wildcard of the program's own stands in the pattern, or is added to it: then what
    stands beside it is meant as plain text. A whole pattern that a caller passes may be one."""
    is_part = isinstance(call.func, Attribute) and call.func.name in _PARTS
    return is_part or any(piece.kind is Kind.CONSTANT and "%" in piece.text for piece in pieces)


def _calls(
    function: FunctionFacts, expr: Expr | None, sought: Callable[[Call], bool], depth: int = 0
) -> bool:
    """Whether such a call is part of the pattern, also on its way through locals."""
    for found in walk(expr):
        if isinstance(found, Call) and sought(found):
            return True
        if isinstance(found, Name) and depth < 3:  # noqa: PLR2004 - locals of locals of locals
            values = [e.value for e in function.events if isinstance(e, Bind)
                      and e.target == found.name and e.value is not expr]  # fmt: skip
            if any(_calls(function, value, sought, depth + 1) for value in values):
                return True
    return False


def _is_glob(call: Call) -> bool:
    """`name.replace("*", "%")`: the user is told of wildcards, so only `_` is a surprise."""
    return (
        last_step(call.func) == "replace"
        and bool(call.args)
        and isinstance(call.args[0], Const)
        and call.args[0].value in _GLOB
    )


def _is_escape(call: Call) -> bool:
    name = call.func.name if isinstance(call.func, (Attribute, Name)) else ""
    if name == "replace" and call.args and isinstance(call.args[0], Const):
        return call.args[0].value in ("%", "_", "\\")
    return "escape" in name.lower() or "like" in name.lower()


RULE = Rule(
    code="DBA107",
    name="unescaped-like",
    since="0.1.0",
    severity=Severity.NOTE,
    confidence=Confidence.MEDIUM,
    message="{holes} goes into the pattern of `{method}()` with its `%` and `_` as wildcards"
    " (taking it that it is meant as plain text)",
    why=(
        "`_` matches any character and `%` any text: who searches for `a_b` finds `axb`, and who"
        " sends `%` finds everything, or makes the database scan the whole table for"
        " `%a%b%c%d%`. Where the result decides about access or deletion, it is too wide."
    ),
    instead="`Column.contains(value, autoescape=True)` (`startswith`, `endswith`), or escape `%`,"
    ' `_` and the escape character yourself and pass `escape="\\\\"`.',
    checks=(OnFunction(check, calls=_PATTERNS | _PARTS),),
    bad=(
        Example(
            "wildcards around a value",
            """
            from sqlalchemy import select
            from app.models import Label

            def search(session, name):
                found = select(Label).where(Label.name.ilike(f"%{name}%"))  # expect: DBA107
                return session.scalars(found).all()
            """,
        ),
        Example(
            "a star for a per cent sign",
            """
            from sqlalchemy import select
            from app.models import Label

            def search(session, wanted):
                pattern = wanted.replace("*", "%")
                found = select(Label).where(Label.name.like(pattern))  # expect: DBA107
                return session.scalars(found)
            """,
        ),
        Example(
            "contains() of a mapped column",
            """
            from sqlalchemy import Column, String, select
            from sqlalchemy.orm import DeclarativeBase

            class Base(DeclarativeBase):
                pass

            class Label(Base):
                __tablename__ = "labels"
                name = Column(String, primary_key=True)

            def search(session, name):
                found = select(Label).where(Label.name.contains(name))  # expect: DBA107
                return session.scalars(found)
            """,
        ),
    ),
    good=(
        Example(
            "escaped by SQLAlchemy",
            """
            from sqlalchemy import select
            from app.models import Label

            def search(session, name):
                return session.scalars(
                    select(Label).where(Label.name.contains(name, autoescape=True)))
            """,
        ),
        Example(
            "escaped by hand",
            """
            from sqlalchemy import select
            from app.models import Label

            def search(session, name):
                escaped = name.replace("\\\\", "\\\\\\\\").replace("%", "\\\\%")
                return session.scalars(select(Label).where(Label.name.like(f"%{escaped}%")))
            """,
        ),
        Example(
            "a constant, a number",
            """
            from sqlalchemy import select
            from app.models import Label

            def search(session, count: int):
                first = select(Label).where(Label.name.like("net-%"))
                return session.scalars(first.where(Label.name.like(f"{count}-%")))
            """,
        ),
        Example(
            "a pattern that the caller made",
            """
            from sqlalchemy import select
            from app.models import Label

            def search(session, pattern):
                return session.scalars(select(Label).where(Label.name.like(pattern)))
            """,
        ),
        Example(
            "strings and lists",
            """
            import sqlalchemy

            def is_internal(name, prefix):
                return name.startswith(prefix) or name.contains(prefix)
            """,
        ),
    ),
    known_gaps=(
        "patterns handed to the function whole are not reported",
        "what is called an id or an address is reported with low confidence",
        "`LIKE` in text is not looked at",
    ),
    sources=("SQLAlchemy: ColumnOperators.contains.autoescape", "CWE-155"),
)
