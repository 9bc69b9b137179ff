"""Where executions are counted: one short list for each entry of the tape.

A list and not an object: adding to a list slot is the cheapest thing Python does, and it is atomic
under the interpreter lock because no call happens between the read and the write.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from auditor.model.tape import Cause, CauseKind, Entry, Site
from auditor.runtime.relations import names_in
from auditor.runtime.statements import StatementFacts

EXECUTIONS, SENT, ROWS, SECONDS, ERRORS, LAST_UNIT, IN_UNIT, MOST_IN_UNIT, UNITS, SITE = range(10)
REPEATS, USED, TEXTS = range(10, 13)
MOST_TEXTS = 16

Cell = list[Any]

_IN_ANY_ORDER = frozenset({CauseKind.EAGER_BATCH, CauseKind.POLYMORPHIC})


class EntryKey(NamedTuple):
    """What executions must have in common to be one entry of the tape."""

    shape: str
    verb: str
    tables: tuple[str, ...]
    site: Site
    cause: Cause
    transaction: str
    database: str
    test: str
    joined: tuple[str, ...]


def new_cell(site: Site) -> Cell:
    """An empty cell for executions from `site`."""
    return [0, 0, 0, 0.0, None, None, 0, 0, 0, site, 0, None, None]


def key_of(
    facts: StatementFacts, site: Site, cause: Cause, *, transaction: str, database: str, test: str
) -> EntryKey:
    """The key of an execution; every part is a value, so it means the same in other processes."""
    return EntryKey(
        facts.shape,
        facts.verb,
        facts.tables,
        site,
        cause,
        transaction,
        database,
        test,
        facts.joined,
    )


def entry_of(key: EntryKey, cell: Cell, used: Iterable[str] = ()) -> Entry:
    """The entry as it stands now; the cell goes on counting. `used` are relations of which only
    their name and the test is known, not who loaded the objects on which they were read."""
    return Entry(
        **key._asdict(),
        repeats=cell[REPEATS],
        texts=len(cell[TEXTS] or ()),
        used=tuple(sorted({*(cell[USED] or set()).copy(), *_loaded_here(key, used)})),
        executions=cell[EXECUTIONS],
        sent=cell[SENT],
        rows=cell[ROWS],
        seconds=cell[SECONDS],
        errors=tuple(sorted((cell[ERRORS] or {}).copy().items())),
        units=cell[UNITS],
        most_in_unit=max(cell[MOST_IN_UNIT], cell[IN_UNIT]),
    )


def _loaded_here(key: EntryKey, relations: Iterable[str]) -> Iterator[str]:
    names = names_in(key.joined)
    if key.cause.kind is CauseKind.EAGER_BATCH:
        names.add(key.cause.relation)
    return (name for name in relations if name in names)


def in_fixed_order(entries: Iterable[tuple[EntryKey, Cell]]) -> Iterator[tuple[EntryKey, Cell]]:
    """Entries in their order, but loads that SQLAlchemy makes in the order of a set by name: those
    that follow each other at one place. Equal runs give equal tapes then."""
    for (_, is_loaded), run in itertools.groupby(tuple(entries), _place_of_loads):
        same_place = list(run)
        yield from sorted(same_place, key=_name_of_load) if is_loaded else same_place


def _place_of_loads(entry: tuple[EntryKey, Cell]) -> tuple[Site | None, bool]:
    key, _ = entry
    is_loaded = key.cause.kind in _IN_ANY_ORDER
    return (key.site if is_loaded else None, is_loaded)


def _name_of_load(entry: tuple[EntryKey, Cell]) -> tuple[str, ...]:
    key, _ = entry
    return (str(key.cause), key.shape, key.transaction, key.database, key.test)


def note_text(cells: Iterable[Cell], text: str) -> None:
    """Counts a text with literals in it, unless it is known; keeps its hash, nothing of it."""
    mark = hash(text)
    for cell in cells:
        if cell[TEXTS] is None:
            cell[TEXTS] = {mark}
        elif len(cell[TEXTS]) < MOST_TEXTS:
            cell[TEXTS].add(mark)


def note_error(cell: Cell, name: str) -> None:
    """Counts an error by its class name (`sqlalchemy.exc.IntegrityError`)."""
    if cell[ERRORS] is None:
        cell[ERRORS] = {}
    cell[ERRORS][name] = cell[ERRORS].get(name, 0) + 1
