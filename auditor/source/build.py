"""State while one function is turned into facts: the regions and events seen so far.

Regions are kept as they are opened and get their `last` event when they are closed, so a region
always covers a contiguous run of events.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from auditor.source.expressions import packed
from auditor.source.facts import At, Const, Event, Read, Region

Path = tuple[str, ...]
Literal = str | bytes | int | float | bool | None
_WORD = 40
"""Characters of a literal that other modules are likely to have too."""
_new = tuple.__new__


class Once:
    """What was read so far in a module of which equal ones are kept once: chains of names, and
    constants, whose meaning is the same wherever they stand."""

    def __init__(self) -> None:
        self.paths: dict[Path, Path] = {}
        self.constants: dict[tuple[type, Literal], Const] = {}

    def constant(self, value: Literal) -> Const:
        """The expression for a literal; `1`, `1.0` and `True` are three."""
        key = (type(value), value)
        found = self.constants.get(key)
        if found is None:
            word = sys.intern(value) if type(value) is str and len(value) < _WORD else value
            found = self.constants[key] = Const(word)
        return found


class FunctionBuilder:
    """Collects regions and events of one function, method or module body; `once` is that of its
    module."""

    def __init__(self, place: int, kind: str = "function", once: Once | None = None) -> None:
        self.events: list[Event] = []
        self.regions: list[Region] = [Region(0, kind, -1, place, 0, 0)]
        self.region = 0
        self.is_generator = False
        self.once = Once() if once is None else once

    @contextmanager
    def inside(self, kind: str, place: int, **more: Any) -> Iterator[int]:
        """Open a region for what is emitted in the block; gives its index."""
        index, outer = len(self.regions), self.region
        self.regions.append(Region(index, kind, outer, place, len(self.events), 0, **more))
        self.region = index
        try:
            yield index
        finally:
            self._close(index)
            self.region = outer

    def set(self, index: int, **more: Any) -> None:
        """Fill in what was not known when the region was opened."""
        self.regions[index] = self.regions[index]._replace(**more)

    def emit(self, event: Event) -> None:
        """Append an event."""
        self.events.append(event)

    def read(self, path: tuple[str, ...], node: ast.AST) -> None:
        """Append a Read of a chain of names."""
        kept = self.once.paths.setdefault(path, path)
        self.events.append(_new(Read, (kept, place_of(node), self.region)))

    def finish(self) -> tuple[tuple[Region, ...], tuple[Event, ...]]:
        """Close the outermost region; the regions and events as facts keep them."""
        self._close(0)
        return tuple(self.regions), tuple(self.events)

    def _close(self, index: int) -> None:
        self.regions[index] = self.regions[index]._replace(last=len(self.events))


def at_of(node: Any) -> At:
    """Where a node stands; columns count from 1."""
    return At(node.lineno, node.col_offset + 1, node.end_lineno, node.end_col_offset + 1)


def place_of(node: Any) -> int:
    """The same as one number."""
    return packed(node.lineno, node.col_offset + 1, node.end_lineno, node.end_col_offset + 1)
