"""Where executions are counted: one short list for each entry of the tape.

A list and not an object: adding to a list slot is the cheapest thing Python does, and it is atomic
under the interpreter lock because no call happens between the read and the write.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from auditor.model.tape import Cause, Entry, Site
from auditor.runtime.statements import StatementFacts

EXECUTIONS, SENT, ROWS, SECONDS, ERRORS, LAST_UNIT, IN_UNIT, MOST_IN_UNIT, UNITS, SITE = range(10)

Cell = list[Any]


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


def new_cell(site: Site) -> Cell:
    """An empty cell for executions from `site`."""
    return [0, 0, 0, 0.0, None, None, 0, 0, 0, site]


def key_of(
    facts: StatementFacts, site: Site, cause: Cause, *, transaction: str, database: str, test: str
) -> EntryKey:
    """The key of an execution; every part is a value, so it means the same in other processes."""
    return EntryKey(facts.shape, facts.verb, facts.tables, site, cause, transaction, database, test)


def entry_of(key: EntryKey, cell: Cell) -> Entry:
    """The entry as it stands now; the cell goes on counting."""
    return Entry(
        *key,
        executions=cell[EXECUTIONS],
        sent=cell[SENT],
        rows=cell[ROWS],
        seconds=cell[SECONDS],
        errors=tuple(sorted((cell[ERRORS] or {}).items())),
        units=cell[UNITS],
        most_in_unit=max(cell[MOST_IN_UNIT], cell[IN_UNIT]),
    )


def note_error(cell: Cell, name: str) -> None:
    """Counts an error by its class name (`sqlalchemy.exc.IntegrityError`)."""
    if cell[ERRORS] is None:
        cell[ERRORS] = {}
    cell[ERRORS][name] = cell[ERRORS].get(name, 0) + 1
