"""How to mend repeated work, in the words of the program that was recorded: the query that loaded
the rows, the option it lacks, the column that one query with IN would ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from auditor.model.tape import CauseKind, Entry, Tape
from auditor.rules.queries.relations import is_many
from auditor.rules.repetitions import Repetition
from auditor.source.models import Model
from auditor.source.project import Project

_EQUAL = re.compile(r"(?:(?P<table>\w+)\.)?(?P<column>\w+) (?:= \?|IN \(\?\))")
_CONDITION = re.compile(r" WHERE (?P<condition>.*?)(?: ORDER BY | LIMIT | GROUP BY |$)")
_LOADS = (CauseKind.LAZY_LOAD, CauseKind.EAGER_BATCH)


def model_named(project: Project, name: str) -> Model | None:
    """The mapped class of a bare name; None if it is not read, or if there are several."""
    found = [m for dotted, m in project.models.by_name.items() if dotted.endswith(f".{name}")]
    mapped = [model for model in found if model.table] or found
    return mapped[0] if len(mapped) == 1 else None


def class_of_table(project: Project, table: str) -> str:
    """The name of the one class mapped to a table; empty if it is not read."""
    found = {
        m.dotted.rpartition(".")[2] for m in project.models.by_name.values() if m.table == table
    }
    return found.pop() if len(found) == 1 else ""


def relation_is_many(project: Project, relation: str) -> bool | None:
    """Whether `Parent.attribute` leads to many rows; None if the mapping is not read."""
    owner, _, name = relation.partition(".")
    model = model_named(project, owner)
    found = model.relationships.get(name) if model is not None else None
    if model is None or found is None:
        return None
    return is_many(project.models, model, found)


def leads_to_itself(project: Project, relation: str) -> bool:
    """Whether a relation leads to rows of its own class, as in a tree."""
    owner, _, name = relation.partition(".")
    model = model_named(project, owner)
    found = model.relationships.get(name) if model is not None else None
    return model is not None and found is not None and found.target == model.dotted


def loader_of(project: Project, relation: str) -> str:
    """The option that loads a relation with its parents, as it is written."""
    is_collection = relation_is_many(project, relation)
    return f"joinedload({relation})" if is_collection is False else f"selectinload({relation})"


def loading_query(tape: Tape, project: Project, repetition: Repetition, owner: str) -> Entry | None:
    """The statement that loaded the rows of class `owner` which the repeated one works on; None if
    the tape does not tell."""
    model = model_named(project, owner)
    table = model.table if model is not None else ""
    first = repetition.first
    before = _before(tape.entries, first)
    likely = [e for e in before if _is_load(e, table, repetition)]
    if not likely:
        return None
    return max(likely, key=lambda entry: _likeness(entry, repetition, table))


def _before(entries: Iterable[Entry], end: Entry) -> list[Entry]:
    """The entries of the same test and database whose first execution was earlier."""
    found: list[Entry] = []
    for entry in entries:
        if entry is end or entry == end:
            break
        if entry.test == end.test and entry.database == end.database:
            found.append(entry)
    return found


def _is_load(entry: Entry, table: str, repetition: Repetition) -> bool:
    if entry.verb != "SELECT" or not entry.rows or not entry.site.stack:
        return False
    if entry.cause.kind not in {CauseKind.EXPLICIT, *_LOADS}:
        return False
    return table in entry.tables if table else entry.rows >= repetition.most


def _likeness(
    entry: Entry, repetition: Repetition, table: str
) -> tuple[bool, ...] | tuple[int, ...]:
    """How likely an entry loaded the rows: its table, the line of the loop, enough rows, the
    nearest call path."""
    turn = repetition.turn
    is_iterated = turn is not None and entry.site.frame == turn.frame
    return (
        bool(table) and entry.tables[:1] == (table,),
        is_iterated,
        entry.rows >= repetition.most,
        entry.cause.kind is CauseKind.EXPLICIT,
        _shared(entry.site.stack, repetition.first.site.stack),
    )


def _shared(stack: Sequence[object], other_stack: Sequence[object]) -> int:
    """Lines that two call paths have in common, from the outermost."""
    number = 0
    for one, other in zip(reversed(stack), reversed(other_stack), strict=False):
        if one != other:
            break
        number += 1
    return number


def option_on_query(tape: Tape, project: Project, repetition: Repetition, option: str) -> str:
    """`` add `.options(...)` to the query at app/db.py:12 ``; behind the option that loads the
    parents when these came by a relation themselves."""
    owner = option.partition("(")[2].partition(".")[0].partition(",")[0]
    load = loading_query(tape, project, repetition, owner)
    if load is None:
        return f"add `.options({option})` to the query that loads `{owner}`"
    where = f"{load.site.frame.path}:{load.site.frame.line}"
    if load.cause.kind in _LOADS and load.cause.relation and "(" not in load.cause.relation:
        outer = loader_of(project, load.cause.relation)
        parent = load.cause.relation.partition(".")[0]
        above = loading_query(tape, project, Repetition((load,), repetition.path, None), parent)
        at = f"{above.site.frame.path}:{above.site.frame.line}" if above is not None else ""
        on = f"the query at {at}" if at else f"the query that loads `{parent}`"
        return f"add `.options({outer}.{option})` to {on}"
    return f"add `.options({option})` to the query at {where}"


def class_or_table(project: Project, entry: Entry) -> str:
    """The class of the first table of a statement, else that table."""
    table = entry.tables[0] if entry.tables else ""
    return class_of_table(project, table) or table


def one_query(project: Project, entry: Entry) -> str:
    """The one query with IN that answers for all turns: `` `Router.project_id.in_(...)` ``."""
    asked = compared_column(entry.shape)
    if not asked or not entry.tables:
        return "one query before the loop for all items, kept in a dict by key"
    table, column = asked
    owner = class_of_table(project, table or entry.tables[0]) or table or entry.tables[0]
    return (
        f"one query before the loop with `{owner}.{column}.in_(...)`, its rows kept in a dict by"
        f" `{column}`"
    )


def compared_column(shape: str) -> tuple[str, str] | None:
    """Table and column of the last `column = ?` of a condition, None if there is none; the last is
    the one that tells items apart when a query has a fixed filter too."""
    condition = _CONDITION.search(shape)
    found = list(_EQUAL.finditer(condition["condition"])) if condition else []
    return (found[-1]["table"] or "", found[-1]["column"]) if found else None
