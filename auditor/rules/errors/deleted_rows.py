"""Handlers for a row that is gone which read that row once more."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.rule import Hit, Hits
from auditor.rules.errors.caught import handlers_of
from auditor.rules.places import span_of
from auditor.source.facts import Bind, Call, FunctionFacts, ModuleFacts, Read, Region, path_of
from auditor.source.project import Project

_GONE = "sqlalchemy.orm.exc.ObjectDeletedError"
_ATTRIBUTE = 2
"""Steps of a path such as `port.id`."""


def read_again(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Handlers for ObjectDeletedError that read an attribute which the `try` reads too: the row is
    still gone, so the handler raises what it has just caught."""
    for handler in handlers_of(project, module, function):
        if _GONE not in handler.types:
            continue
        tried = {read.path for read in _attributes_read(function, handler.tried)}
        read = next(
            (r for r in _attributes_read(function, handler.region) if r.path in tried), None
        )
        if read is not None:
            fields = {
                "caught": "`ObjectDeletedError`",
                "opened": "the `try` above",
                "what": f"reads `{'.'.join(read.path)}` of the row that is gone once more",
                "truth": "taking it that this is a mapped row, the handler raises the same again",
            }
            yield Hit(span_of(module, handler.line), function.qualname, fields)


def _attributes_read(function: FunctionFacts, region: Region) -> Iterator[Read]:
    """Reads such as `port.id` of a local name in a region; what is called is no attribute."""
    called = {path_of(e.func) for e in function.inside(region) if isinstance(e, Call)}
    own = {p.name for p in function.parameters} | {
        e.target for e in function.events if isinstance(e, Bind)
    }
    for event in function.inside(region):
        if (
            isinstance(event, Read)
            and len(event.path) == _ATTRIBUTE
            and event.path[0] in own - {"self", "cls"}
            and event.path not in called
        ):
            yield event
