"""State while one function is turned into facts: the regions and events seen so far.

Regions are kept as they are opened and get their `last` event when they are closed, so a region
always covers a contiguous run of events.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from auditor.source.facts import At, Event, Read, Region

Path = tuple[str, ...]
_new = tuple.__new__


class FunctionBuilder:
    """Collects regions and events of one function, method or module body. `paths` are those read so
    far in its module: equal ones are kept once."""

    def __init__(
        self,
        at: At,
        kind: str = "function",
        paths: dict[tuple[str, ...], tuple[str, ...]] | None = None,
    ) -> None:
        self.events: list[Event] = []
        self.regions: list[Region] = [Region(0, kind, -1, at, 0, 0)]
        self.region = 0
        self.is_generator = False
        self.paths: dict[Path, Path] = {} if paths is None else paths

    @contextmanager
    def inside(self, kind: str, at: At, **more: Any) -> Iterator[int]:
        """Open a region for what is emitted in the block; gives its index."""
        index, outer = len(self.regions), self.region
        self.regions.append(Region(index, kind, outer, at, len(self.events), 0, **more))
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
        kept = self.paths.setdefault(path, path)
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
    """The same, packed (see `auditor.source.expressions.packed`, whose sum this is, in line)."""
    start: int = node.lineno << 24 | node.col_offset + 1
    place: int = (start << 24 | node.end_lineno) << 24 | node.end_col_offset + 1
    return place
