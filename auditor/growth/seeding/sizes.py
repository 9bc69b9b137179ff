"""How many rows each table gets: those asked for, and what their foreign keys need besides.

A table that is needed and was not named gets one row, or as many as the unique sets of its
children ask for. One that holds rows already is left as it is, and its rows are the parents.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from auditor.growth.seeding.axes import Setting, is_required
from auditor.growth.seeding.unique import TooFewParents, distinct_axes
from auditor.model.errors import SeedError

_MOST_ROUNDS = 10_000


def asked_sizes(metadata: sa.MetaData, sizes: Mapping[Any, int]) -> dict[sa.Table, int]:
    """The tables that sizes name: by name, as a Table or as a mapped class. Raises SeedError."""
    found: dict[sa.Table, int] = {}
    for wanted, rows in sizes.items():
        table = table_named(metadata, wanted)
        if isinstance(rows, bool) or not isinstance(rows, int) or rows < 0:
            raise SeedError(f"`{table.fullname}={rows!r}`: give a whole number of rows, 0 or more")
        found[table] = rows
    return found


def table_named(metadata: sa.MetaData, wanted: Any) -> sa.Table:
    """A table of the metadata by its name, or that of a mapped class. Raises SeedError."""
    table = getattr(wanted, "__table__", wanted)
    if isinstance(table, sa.Table):
        table = table.key
    names = {name.casefold(): one for name, one in metadata.tables.items()}
    by_bare_name: dict[str, list[sa.Table]] = {}
    for one in metadata.tables.values():
        by_bare_name.setdefault(one.name.casefold(), []).append(one)
    found = names.get(str(table).casefold())
    bare = by_bare_name.get(str(table).casefold(), [])
    if found is not None or len(bare) == 1:
        return found if found is not None else bare[0]
    raise SeedError(f"there is no table `{table}` in the metadata; {_suggestion(table, metadata)}")


def _suggestion(wanted: Any, metadata: sa.MetaData) -> str:
    names = sorted(metadata.tables)
    near = difflib.get_close_matches(str(wanted), names, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(f"`{name}`" for name in near)
    if not names:
        return "it has no tables at all: import the modules of the models first"
    more = f", and {len(names) - 5} more" if len(names) > 5 else ""  # noqa: PLR2004  a short list
    return "it has " + ", ".join(f"`{name}`" for name in names[:5]) + more


def settle_sizes(setting: Setting) -> None:
    """Complete `setting.counts` for all that the asked tables need. Raises SeedError."""
    waiting = [table for table, rows in setting.counts.items() if rows]
    for _ in range(_MOST_ROUNDS):
        if not waiting:
            return
        table = waiting.pop()
        changed = _with_parents(table, setting)
        try:
            distinct_axes(table, setting)
        except TooFewParents as few:
            setting.counts[few.parent] = max(few.rows, setting.counts[few.parent])
            changed.append(few.parent)
        for parent in changed:  # its children have other choices now
            waiting += [parent, *_children_of(parent, setting)]
    names = ", ".join(f"`{table.fullname}`" for table in waiting[:3])
    raise SeedError(f"no sizes satisfy {names}: give sizes for the tables that they refer to")


def _with_parents(table: sa.Table, setting: Setting) -> list[sa.Table]:
    """Parents that the table cannot be without and that are new among those filled."""
    facts, new = setting.facts[table], []
    for reference in facts.references:
        parent = reference.parent
        if setting.rows(parent) or parent in setting.asked or parent is table:
            continue
        if is_required(facts, reference, setting.hooks.get(table, {})):
            setting.counts[parent] = 1
            new.append(parent)
    return new + _with_heirs(table, setting)


def _with_heirs(table: sa.Table, setting: Setting) -> list[sa.Table]:
    """The table above in joined inheritance, where it has too few rows for all below it."""
    known = setting.inheritances.get(table)
    if known is None:
        return []
    heirs = [one.child for one in setting.inheritances.values() if one.parent is known.parent]
    needed = sum(setting.counts.get(one, 0) for one in heirs)
    if needed <= setting.counts.get(known.parent, 0):
        return []
    if known.parent in setting.asked:
        named = " + ".join(f"`{one.fullname}`" for one in heirs if setting.counts.get(one))
        raise SeedError(
            f"`{known.parent.fullname}={setting.counts[known.parent]}` is too few: each row of"
            f" {named} is a row of it too, so it needs at least {needed}; ask for that, or do not"
            " name it"
        )
    setting.counts[known.parent] = needed
    return [known.parent]


def _children_of(parent: sa.Table, setting: Setting) -> list[sa.Table]:
    return [
        table
        for table, rows in setting.counts.items()
        if rows and any(one.parent is parent for one in setting.facts[table].references)
    ]
