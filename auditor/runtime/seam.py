"""Where the recorder stands: around `do_execute`, `do_executemany` and `do_execute_no_params` of
each dialect object. docs/adr/0003-recorder-seam.md says why, with the measured cost.

    DefaultDialect and classes that override   a trap: the first statement of a dialect object
    one of the three methods                   not yet seen attaches that object
    DefaultDialect.engine_created              attaches the dialect of each new engine, also of a
                                               dialect class that was loaded after the start
    the dialect object itself                  carries the wrappers; nothing else costs anything

Everything is taken back when the last recording ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import MethodType
from typing import Any

from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect

METHODS = ("do_execute", "do_executemany", "do_execute_no_params")

Wrap = Callable[[str, Callable[..., Any]], Callable[..., Any]]
"""From the name of a method and the bound original to what takes its place."""

_MISSING = object()
_BEHIND = "_auditor_behind"
_OURS = "_auditor_before"


class Patches:
    """Attributes replaced, and what they were. `undo` puts back all that are still ours."""

    __slots__ = ("_done",)

    def __init__(self) -> None:
        self._done: list[tuple[Any, str, object, object]] = []

    def __len__(self) -> int:
        return len(self._done)

    def put(self, owner: Any, name: str, replacement: object) -> None:
        """Replaces `owner.name`; undo deletes what `owner` had only inherited."""
        self._done.append((owner, name, vars(owner).get(name, _MISSING), replacement))
        setattr(owner, name, replacement)

    def has(self, owner: Any, name: str) -> bool:
        """Says whether `owner.name` is replaced."""
        return any(each is owner and known == name for each, known, _, _ in self._done)

    def undo(self) -> None:
        while self._done:
            owner, name, before, ours = self._done.pop()
            if vars(owner).get(name) is not ours:
                continue  # somebody else stands there now; our wrapper passes everything through
            if before is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, before)


def trap_dialects(patches: Patches, attach: Callable[[Any], None]) -> None:
    """Has `attach(dialect)` called before the first statement of every dialect object, and when
    an engine is made."""
    for owner, name in _definitions():
        patches.put(owner, name, _trap(vars(owner)[name], name, attach))
    inherited: Any = DefaultDialect.engine_created  # a classmethod: called for its own class below

    def engine_created(cls: type[DefaultDialect], engine: Engine) -> None:
        inherited.__func__(cls, engine)
        attach(engine.dialect)

    # Not around `Engine.__init__`: create_engine() reads the names of its parameters off its code.
    patches.put(DefaultDialect, "engine_created", classmethod(engine_created))


def wrap_dialect(dialect: Any, wrap: Wrap) -> None:
    """Puts wrappers for the three methods on one dialect object, past the traps."""
    for name in METHODS:
        original = getattr(dialect, name)
        behind_trap = getattr(original, _BEHIND, None)
        if behind_trap is not None:
            original = MethodType(behind_trap, dialect)
        wrapper = wrap(name, original)
        setattr(wrapper, _OURS, vars(dialect).get(name))
        setattr(dialect, name, wrapper)


def unwrap_dialect(dialect: Any) -> None:
    """Takes the wrappers off again. One that somebody has wrapped in turn stays, and is idle."""
    for name in METHODS:
        wrapper = vars(dialect).get(name)
        if not hasattr(wrapper, _OURS):
            continue
        before = getattr(wrapper, _OURS)
        if before is None:
            delattr(dialect, name)
        else:
            setattr(dialect, name, before)


def _definitions() -> Iterator[tuple[type, str]]:
    """Every dialect class with its own definition of one of the three methods."""
    waiting: list[type] = [DefaultDialect]
    seen: set[type] = set()
    while waiting:
        owner = waiting.pop()
        if owner in seen:
            continue
        seen.add(owner)
        waiting.extend(owner.__subclasses__())
        for name in METHODS:
            if name in vars(owner):
                yield owner, name


def _trap(original: Any, name: str, attach: Callable[[Any], None]) -> Callable[..., Any]:
    def trap(dialect: Any, *arguments: Any, **named: Any) -> Any:
        if name in vars(dialect):
            return original(dialect, *arguments, **named)
        attach(dialect)
        if name not in vars(dialect):  # attach declined
            return original(dialect, *arguments, **named)
        return vars(dialect)[name](*arguments, **named)

    setattr(trap, _BEHIND, original)
    return trap
