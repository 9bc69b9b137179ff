"""Handlers in the source, and what they name of the database: `except` clauses and `suppress()`.

Not seen: an `__exit__` of the program that gives True, and a handler kept in a variable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.rules.errors.caught import Handler, handlers_of, is_broad
from auditor.source.facts import Call, FunctionFacts, ModuleFacts
from auditor.source.project import Project

_SUPPRESS = "contextlib.suppress"


@dataclass(frozen=True, slots=True)
class Clause:
    """A handler and what it names. `database` are the names of known database errors, replaced by
    those of the tables; `others` tells that it names something else too."""

    module: ModuleFacts
    function: FunctionFacts
    handler: Handler
    kind: str
    database: tuple[str, ...]
    others: bool

    @property
    def is_broad(self) -> bool:
        """Whether it takes everything."""
        return is_broad(self.handler)


def clauses_of(project: Project, module: ModuleFacts, function: FunctionFacts) -> Iterator[Clause]:
    """The handlers of a function that name an error of the database, or take everything; in order
    of their lines."""
    found = [("except", one) for one in handlers_of(project, module, function)]
    found += [("suppress", one) for one in _suppressing(project, module, function)]
    for kind, handler in sorted(found, key=lambda one: one[1].region.at.line):
        database = tuple(
            dict.fromkeys(
                name for written in handler.types for name in [known_as(project, written)] if name
            )
        )
        if database or is_broad(handler):
            others = len(set(handler.types)) > len(database)
            yield Clause(module, function, handler, kind, database, others)


def known_as(project: Project, name: str) -> str:
    """The name of the row of the tables that a class has, empty if it is none of them. A class that
    the program derives from one is its own: no engine raises it."""
    row = project.knowledge.errors.get(name)
    return row.name if row is not None else ""


def _suppressing(
    project: Project, module: ModuleFacts, function: FunctionFacts
) -> Iterator[Handler]:
    """`with contextlib.suppress(A, B):` as a handler whose `try` is what is entered after it, and
    the block."""
    for region in function.regions:
        for item in region.items if region.kind == "with" else ():
            call = item.expr
            if isinstance(call, Call) and project.resolve(module, call.func) == _SUPPRESS:
                types = tuple(project.resolve(module, written) for written in call.args)
                empty = region._replace(first=region.last, types=call.args)
                entered = next(i for i, event in enumerate(function.events) if event is call)
                yield Handler(empty, region._replace(first=entered + 1), types)
