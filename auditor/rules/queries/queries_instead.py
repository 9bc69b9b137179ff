"""The query that should stand in place of a load, in the words of the program that was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from auditor.model.tape import Entry
from auditor.rules.fixes import class_of_table
from auditor.rules.recorded import Standing
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Const,
    Expr,
    FunctionFacts,
    Name,
    Text,
    dotted,
    walk,
)
from auditor.source.program import last_step
from auditor.source.project import Project

_DEPTH = 4


_COUNTED = {
    "query": "session.query({entity}){filter}.count()",
    "text": "SELECT count(*) FROM {entity}{condition}",
    "": "select(func.count()).select_from({entity}){where}",
}
_ASKED = {
    "query": "session.query(session.query({entity}){filter}.exists()).scalar()",
    "text": "SELECT EXISTS (SELECT 1 FROM {entity}{condition})",
    "": "select(select({entity}){where}.exists())",
}
_AGGREGATED = {
    "text": "SELECT {function}({column}) FROM {entity}{condition}",
    "": "select(func.{function}({name})){where}",
}
_DISTINCT = {
    "text": "SELECT DISTINCT {column} FROM {entity}{condition}",
    "": "select({name}).distinct(){where}",
}
_FILTERED = {
    "query": ".filter({name} ...)",
    "text": "WHERE {column} ...",
    "": ".where({name} ...)",
}
_LIMITED = {"text": "LIMIT 1", "": ".limit(1)"}
"""Templates by how a query is written; the last holds for all others."""


class Style(NamedTuple):
    """How a query is written: `query` (session.query), `select` of a class, of a `table`, or
    `text`; about which class or table, and whether it has conditions."""

    how: str
    entity: str
    conditions: bool

    def counted(self) -> str:
        """The query that gives the number of rows."""
        return self._filled(_COUNTED)

    def asked(self) -> str:
        """The query that says whether there is a row."""
        return self._filled(_ASKED)

    def aggregated(self, function: str, column: str) -> str:
        """The query that gives `max`, `min` or `sum` of a column, or its distinct values."""
        templates = _DISTINCT if function == "distinct" else _AGGREGATED
        return self._filled(templates, function=function, column=column or "...")

    def filtered(self, column: str) -> str:
        """The condition that the query lacks."""
        return self._filled(_FILTERED, column=column)

    def limited(self) -> str:
        """What bounds the rows."""
        return self._filled(_LIMITED)

    def _filled(self, templates: dict[str, str], *, function: str = "", column: str = "") -> str:
        return templates.get(self.how, templates[""]).format(
            entity=self.entity,
            function=function,
            column=column,
            name=f"{self.entity}{'.c' if self.how == 'table' else ''}.{column}",
            where=".where(...)" if self.conditions else "",
            filter=".filter(...)" if self.conditions else "",
            condition=" WHERE ..." if self.conditions else "",
        )


def style_of(project: Project, entry: Entry, path: Sequence[Standing]) -> Style:
    """How the statement of an entry is written at the line that emits it."""
    conditions = " WHERE " in entry.shape or " HAVING " in entry.shape
    table = entry.tables[0] if entry.tables else ""
    mapped = class_of_table(project, table)
    function = path[0].function if path else None
    event = path[0].event if path else None
    if function is None or not isinstance(event, Call):
        return Style("select", mapped or table, conditions)
    for found in _within(function, event, _DEPTH):
        if isinstance(found, Call) and last_step(found.func) in {"query", "select"} and found.args:
            entity = _entity(found.args[0])
            how = "query" if last_step(found.func) == "query" else "select"
            if entity and entity[:1].isupper():
                return Style(how, mapped or entity, conditions)
            return Style("table" if not mapped else how, mapped or entity or table, conditions)
        if isinstance(found, Call) and last_step(found.func) in {"text", "exec_driver_sql"}:
            return Style("text", table, conditions)
        if isinstance(found, (Const, Text)) and _is_sql(found):
            return Style("text", table, conditions)
    return Style("select", mapped or table, conditions)


def _within(function: FunctionFacts, expr: Expr, depth: int) -> list[Expr]:
    """The expression's parts, names that are bound in the function followed to what they hold."""
    found: list[Expr] = []
    for part in walk(expr):
        found.append(part)
        for value in _bound(function, part) if depth else ():
            if value is not expr:
                found += _within(function, value, depth - 1)
    return found


def _bound(function: FunctionFacts, expr: Expr) -> list[Expr]:
    """What a name is bound to in the function; nothing for other expressions."""
    name = expr.name if isinstance(expr, Name) else ""
    binds = (e for e in function.events if isinstance(e, Bind) and e.kind == "assign")
    return [e.value for e in binds if name and e.target == name and e.value is not None]


def _entity(expr: Expr) -> str:
    """`Label` of `Label`, `models.Label` and `Label.name`; `labels` of a table and its columns."""
    steps = dotted(expr).split(".") if dotted(expr) else []
    classes = [step for step in steps if step[:1].isupper()]
    if classes:
        return classes[-1]
    if isinstance(expr, Attribute) and "c" in steps:
        return steps[steps.index("c") - 1]
    return steps[-1] if steps else ""


def _is_sql(expr: Const | Text) -> bool:
    first = expr.value if isinstance(expr, Const) else next(iter(expr.parts), "")
    return isinstance(first, str) and first.lstrip()[:7].upper() == "SELECT "
