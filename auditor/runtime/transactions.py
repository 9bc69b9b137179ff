"""Transactions as they begin and end.

`Connection` carries its current `Unit` in an attribute; the unit is made when the transaction
begins, so the hot path asks for its kind once and never again. Kinds: `plain`, and inside an
oslo.db enginefacade block `reader`, `async reader`, `writer`, `independent reader` or
`independent writer`; statements inside a savepoint are of kind `savepoint`.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from time import perf_counter
from types import FrameType
from typing import Any

from auditor.model.tape import Site
from auditor.runtime.blocks import Block, block_here
from auditor.runtime.retries import attempt_of
from auditor.runtime.sites import Place, package_of, places_from
from auditor.runtime.statements import StatementFacts
from auditor.runtime.trouble import kept_from_program
from auditor.runtime.whereabouts import Here, here, user_place
from auditor.sql.locks import is_locking_read
from auditor.sql.verbs import WRITES

UNIT = "_auditor_unit"
BEGUN = "_auditor_begun"
"""Attribute of a session: its transaction that the program began itself, and where."""
PLAIN = "plain"
SAVEPOINT = "savepoint"
MOST_STEPS = 48
"""Distinct statements of a transaction that are kept in order."""
_PING = ("oslo_db.sqlalchemy.engines", "_connect_ping_listener")
"""What asks whether the server is there, with a statement, before SQLAlchemy 2.0.5."""


Step = tuple[StatementFacts, Site, bool, bool]
"""A statement, its site, whether it ran in a savepoint, whether it is a SELECT that locks."""


class Unit:
    """One transaction in progress. Holds nothing of the program's.

    `is_ours` is false where the statements are not the program's, and not counted: a connection on
    which SQLAlchemy sets up a dialect, oslo.db's ping. `site` is that of the first statement; a
    savepoint has `places` instead, where it began. `opened` is the line that began it, `is_block`
    whether the program asked for that. `steps` has each statement at its first execution, by its
    cell; `work` is `writes`, `reads` or empty. `failed_in` is `` until a
    statement fails, then `unit` or `savepoint`. `seen` are hashes of the reads made since its last
    write.
    """

    __slots__ = (
        "attempt", "begun", "block", "connection", "crossings", "failed_in", "is_block", "is_ours",
        "kind", "last", "longest_gap", "opened", "owner", "places", "seen", "site", "statements",
        "steps", "thread", "work",
    )  # fmt: skip

    def __init__(self, kind: str, *, is_ours: bool = True) -> None:
        self.kind = kind
        self.begun = self.last = perf_counter()
        self.longest_gap = 0.0
        self.statements = 0
        self.steps: dict[int, Step] = {}
        self.work = ""
        self.failed_in = ""
        self.site: Site | None = None
        self.places: tuple[Place, ...] = ()
        self.is_ours = is_ours
        self.seen: set[int] | None = None
        self.opened: Place | None = None
        self.is_block = False
        self.block: Block | None = None
        self.attempt = 1
        self.owner: Here = here()
        self.thread = self.owner[0]
        self.crossings = 0
        self.connection: Callable[[], Any] = _nothing

    def step(self, cell: object, facts: StatementFacts, site: Site, compiled: Any) -> None:
        """Notes the first execution of a statement at a place; `cell` stands for the two."""
        asked = getattr(getattr(compiled, "statement", None), "_for_update_arg", None)
        is_locking = asked is not None or is_locking_read(facts.shape)
        if id(cell) not in self.steps and len(self.steps) < MOST_STEPS:
            connection = self.connection()
            nested = getattr(connection, "_nested_transaction", None) is not None
            self.steps[id(cell)] = (facts, site, nested, is_locking)
        if facts.verb in WRITES or is_locking:
            self.work = "writes"
        elif not self.work:
            self.work = "reads"


def _nothing() -> None:
    return None


class OpenUnits:
    """The transactions that are open in this process."""

    __slots__ = ("_units",)

    def __init__(self) -> None:
        self._units: dict[int, Unit] = {}

    def __bool__(self) -> bool:
        return bool(self._units)

    def add(self, unit: Unit) -> None:
        self._units[id(unit)] = unit
        if len(self._units) % 256 == 0:  # those of connections that were never given back
            for number, one in list(self._units.items()):
                if not is_open(one):
                    self._units.pop(number, None)

    def discard(self, unit: Unit) -> None:
        self._units.pop(id(unit), None)

    def clear(self) -> None:
        self._units.clear()

    def here(self) -> list[Unit]:
        """Those begun by what runs here, in order."""
        if not self._units:
            return []
        owner = here()
        found = [unit for unit in list(self._units.values()) if unit.owner == owner]
        return [unit for unit in found if is_open(unit)]


open_units = OpenUnits()


def is_open(unit: Unit) -> bool:
    """Says whether a transaction was neither ended nor lost with its connection."""
    connection = unit.connection()
    return connection is not None and getattr(connection, UNIT, None) is unit


def unit_of(connection: Any) -> Unit:
    """The unit of a connection that has none yet: its transaction began before the recording, or
    it has none (autocommit in SQLAlchemy 1.4, or set-up of a dialect)."""
    if _is_ping(sys._getframe(1)):  # noqa: SLF001 - as in the hot path
        return Unit(PLAIN, is_ours=False)  # not kept: the connection is the program's next
    can_begin = getattr(connection, "_allow_autobegin", True)
    can_reconnect = getattr(connection, "_Connection__can_reconnect", True)
    block = block_here()
    unit = Unit(block.kind if block else PLAIN, is_ours=bool(can_begin and can_reconnect))
    setattr(connection, UNIT, unit)
    return unit


def _is_ping(frame: FrameType | None) -> bool:
    """Says whether oslo.db's ping is what called SQLAlchemy. Its text is anybody's: `SELECT 1`."""
    module, function = _PING
    if module not in sys.modules:
        return False
    while frame is not None and _module(frame).startswith(("sqlalchemy.", "auditor.")):
        frame = frame.f_back
    return frame is not None and (_module(frame), frame.f_code.co_name) == (module, function)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


Ended = Callable[[Any, Unit, bool], None]
"""Called with the connection, the unit and whether it was committed."""
EndsInBlock = Callable[[Unit, FrameType], None]
"""Called with a unit that ends while its block is still open, and the frame that ends it."""


Begun = Callable[[Unit, Any], None]
"""Called with a new unit and the session transaction that wants it, if any."""


def watch_transactions(
    connection_class: Any, begun: Begun, ended: Ended, in_block: EndsInBlock
) -> dict[str, Callable[..., Any]]:
    """Wrappers for the methods of `Connection` that begin and end transactions, by name; only
    those that this version of SQLAlchemy has."""
    rows = {
        "_begin_impl": _beginning(begun),
        "_begin_twophase_impl": _beginning(begun),
        "_commit_impl": _ending(ended, in_block, committed=True),
        "_commit_twophase_impl": _ending(ended, in_block, committed=True),
        "_rollback_impl": _ending(ended, in_block, committed=False),
        "_rollback_twophase_impl": _ending(ended, in_block, committed=False),
        "_savepoint_impl": _saving,
        "_release_savepoint_impl": _unsaving(ended, committed=True),
        "_rollback_to_savepoint_impl": _unsaving(ended, committed=False),
    }
    return {
        name: wrap(getattr(connection_class, name))
        for name, wrap in rows.items()
        if hasattr(connection_class, name)
    }


def _beginning(begun: Begun) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def begin(connection: Any, *arguments: Any, **named: Any) -> Any:
            frame = sys._getframe(1)  # noqa: SLF001 - as in the hot path
            unit = Unit(PLAIN, is_ours=not _is_ping(frame))
            with kept_from_program("transactions"):
                begun(unit, _place(unit, connection, frame))
            setattr(connection, UNIT, unit)
            if unit.is_ours:
                open_units.add(unit)
            return original(connection, *arguments, **named)

        return begin

    return wrap


def _place(unit: Unit, connection: Any, frame: FrameType) -> Any:
    """Tells of a new unit where and how it was begun; gives the session transaction, if any."""
    block = block_here()
    if block is not None:
        unit.kind, unit.block, unit.opened, unit.is_block = block.kind, block, block.place, True
    unit.connection = weakref.ref(connection)
    unit.attempt = attempt_of(frame)
    names, transaction = sqlalchemy_calls(frame)
    if block is None:
        session = getattr(transaction, "session", None)
        asked, place = getattr(session, BEGUN, (None, None))
        if transaction is not None:
            unit.is_block = asked == id(transaction)
        else:
            unit.is_block = "begin" in names and "_autobegin" not in names
        unit.opened = place if unit.is_block and place else user_place(frame)
    return transaction


def sqlalchemy_calls(frame: FrameType | None) -> tuple[set[str], Any]:
    """SQLAlchemy's functions between a frame and its caller outside, and the session transaction
    among them that wants a connection, if any."""
    names: set[str] = set()
    transaction = None
    for each in _sqlalchemy_frames(frame):
        name = each.f_code.co_name
        names.add(name)
        if name == "_connection_for_bind" and "bind" in each.f_code.co_varnames[:2]:
            owner = each.f_locals.get("self")
            if transaction is None and hasattr(owner, "session"):
                transaction = owner  # the innermost is the one that connects, not a part of it
    return names, transaction


def _sqlalchemy_frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        package = package_of(frame.f_code)
        is_generated = frame.f_code.co_filename == "<string>"
        if package not in {"sqlalchemy", "auditor"} and not is_generated and package != "stdlib":
            return
        if package == "sqlalchemy":
            yield frame
        frame = frame.f_back


def watch_session_begin(original: Callable[..., Any]) -> Callable[..., Any]:
    """A wrapper for `Session.begin`: remembers the line that asked for the transaction."""

    def begin(session: Any, *arguments: Any, **named: Any) -> Any:
        transaction = original(session, *arguments, **named)
        if getattr(transaction, "_parent", None) is None:  # 1.4 begins a part for each flush
            with kept_from_program("transactions"):
                place = user_place(sys._getframe().f_back)  # noqa: SLF001 - none in a greenlet
                setattr(session, BEGUN, (id(transaction), place))
        return transaction

    return begin


def _ending(
    ended: Ended, in_block: EndsInBlock, *, committed: bool
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def end(connection: Any, *arguments: Any, **named: Any) -> Any:
            unit = getattr(connection, UNIT, None)
            if unit is not None and unit.block is not None and unit.block.is_open:
                with kept_from_program("transactions"):
                    in_block(unit, sys._getframe(1))  # noqa: SLF001 - as in the hot path
            given = original(connection, *arguments, **named)
            unit = getattr(connection, UNIT, None)
            if unit is not None:
                setattr(connection, UNIT, None)
                open_units.discard(unit)
                with kept_from_program("transactions"):
                    ended(connection, unit, committed)
            return given

        return end

    return wrap


def ended_by_hand(frame: FrameType) -> str:
    """`commit` or `rollback` if that is what was called on SQLAlchemy from outside of oslo.db."""
    outermost = frame
    for each in _sqlalchemy_frames(frame):
        outermost = each
    outside = outermost.f_back
    while outside is not None and package_of(outside.f_code) == "stdlib":
        outside = outside.f_back
    if outside is not None and package_of(outside.f_code) == "oslo_db":
        return ""
    name = outermost.f_code.co_name
    return name if name in {"commit", "rollback"} else ""


_SAVES = "_auditor_savepoints"


def _saving(original: Callable[..., Any]) -> Callable[..., Any]:
    def save(connection: Any, *arguments: Any, **named: Any) -> Any:
        given = original(connection, *arguments, **named)
        unit = Unit(SAVEPOINT)
        with kept_from_program("savepoints"):
            unit.places = tuple(places_from(sys._getframe(1)))  # noqa: SLF001 - as in the hot path
        setattr(connection, _SAVES, [*(getattr(connection, _SAVES, None) or ()), unit])
        return given

    return save


def _unsaving(
    ended: Ended, *, committed: bool
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def unsave(connection: Any, *arguments: Any, **named: Any) -> Any:
            given = original(connection, *arguments, **named)
            saves = getattr(connection, _SAVES, None)
            if saves:
                with kept_from_program("transactions"):
                    ended(connection, saves.pop(), committed)
            return given

        return unsave

    return wrap
