"""What becomes of the rows that a recorded statement fetched, followed through the source.

    def labels(session):                       def report(session):
        rows = session.scalars(...)                count = len(labels(session))
        return rows.all()

The statement is followed from the line that emits it to the name, along `.all()`, out of the
function with the call path, into `len()`: the rows were counted. A use that this cannot follow
counts as a use of the rows for what they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from auditor.rules.queries.holders import Holder, Holders, holders_of
from auditor.rules.queries.row_loops import LoopUse, Use, use_of_loop
from auditor.rules.recorded import Standing, inline_region
from auditor.source.facts import (
    Arithmetic,
    At,
    Attribute,
    Bind,
    Call,
    Choice,
    Compare,
    Comprehension,
    Const,
    Expr,
    Lambda,
    Logic,
    Name,
    Not,
    Opaque,
    Read,
    Region,
    Return,
    Subscript,
    Test,
    path_of,
)
from auditor.source.program import last_step
from auditor.source.project import Project

_SAME_ROWS = frozenset(
    ("all", "fetchall", "scalars", "mappings", "unique", "tuples", "columns", "__iter__", "execute",
     "order_by", "options", "execution_options", "result")
)  # fmt: skip
"""Methods that give the rows on, all of them."""
_SAME_LIST = frozenset(
    ("list", "tuple", "sorted", "reversed", "iter", "enumerate", "set", "frozenset")
)
_ONE_OF_MANY = frozenset(("first", "fetchone", "scalar"))
_ONE = frozenset(("one", "one_or_none", "scalar_one", "scalar_one_or_none", "get", "get_one"))
"""Methods that give one row; those of the first kind are content with any number of rows."""
_AGGREGATES = frozenset(("max", "min", "sum"))


class Fate(NamedTuple):
    """What was done with the rows: how, where, and by which words. `column` is the column that
    decides, empty if there is none or it cannot be told."""

    use: Use
    at: At
    standing: Standing
    words: str = ""
    column: str = ""


class _Walk(NamedTuple):
    """Where the rows are now. `left` bounds the steps, `name` guards against going in a ring."""

    project: Project
    path: Sequence[Standing]
    depth: int
    left: int
    seen: frozenset[str]

    @property
    def standing(self) -> Standing:
        return self.path[self.depth]

    @property
    def holders(self) -> Holders | None:
        function = self.standing.function
        return holders_of(self.project, function) if function is not None else None


_STEPS = 40
NONE_OR_SOME = "`len()`, to see whether there is one"


def fate_of(project: Project, path: Sequence[Standing]) -> Fate | None:
    """The one thing that is done with the rows of the statement which the path emits; None when
    they are used as rows, when several things are done with them, or when that cannot be told."""
    depth, call = _emitting(path)
    if call is None:
        return None
    walk = _Walk(project, path, depth, _STEPS, frozenset())
    name = last_step(call.func)
    if name in _ONE_OF_MANY:
        return Fate(Use.FIRST, call.at, walk.standing, f"`.{name}()`")
    return _only(list(_fates(walk, call))) if name not in _ONE else None


def _emitting(path: Sequence[Standing]) -> tuple[int, Call | None]:
    """The call that gives the rows, and where on the path it stands: a generator expression over a
    query emits when it is first asked."""
    if not path:
        return 0, None
    region = inline_region(path[0])
    function, call = path[0].function, path[0].event
    if region >= 0 and function is not None and function.regions[region].kind == "comprehension":
        rows = function.regions[region].expr
        is_of_caller = len(path) > 1 and path[1].function is function
        return 1, rows if is_of_caller and isinstance(rows, Call) else None
    return 0, call if isinstance(call, Call) else None


def _only(fates: Sequence[Fate]) -> Fate | None:
    """The one that counts: asking first whether there are rows at all goes with everything."""
    if not fates or any(fate.use is Use.ROWS for fate in fates):
        return None
    telling = [fate for fate in fates if fate.use is not Use.EXISTENCE] or list(fates)
    if telling[0].use is Use.SELECTION and len(telling) > 1:
        return None  # each row may serve one of them
    return telling[0] if len({fate.use for fate in telling}) == 1 else None


def _fates(walk: _Walk, expr: Expr) -> Iterator[Fate]:
    """What is done with the rows that an expression stands for."""
    holders = walk.holders
    if holders is None or walk.left == 0:
        yield _rows(walk, expr)
        return
    for holder in holders.of(expr):
        yield from _held(walk._replace(left=walk.left - 1), expr, holder)


def _rows(walk: _Walk, expr: Expr) -> Fate:
    return Fate(Use.ROWS, getattr(expr, "at", At(0, 0, 0, 0)), walk.standing)


def _held(walk: _Walk, expr: Expr, holder: Holder) -> Iterator[Fate]:
    match holder:
        case Attribute():
            yield from _method(walk, holder)
        case Subscript(base=base) if base is expr:
            yield from _item(walk, expr, holder)
        case Call():
            yield from _given(walk, expr, holder)
        case Test(at=at):
            yield Fate(Use.EXISTENCE, at, walk.standing, "a test")
        case Not(at=at):
            yield Fate(Use.EXISTENCE, at, walk.standing, "`not`")
        case Compare() | Logic() | Choice():
            yield from _weighed(walk, expr, holder)
        case Return():
            yield from _outside(walk, holder)
        case Bind():
            yield from _named(walk, holder)
        case Region():
            yield from _looped(walk, holder)
        case _:
            yield _rows(walk, expr)


def _method(walk: _Walk, attribute: Attribute) -> Iterator[Fate]:
    holders = walk.holders
    calls = [h for h in holders.of(attribute) if isinstance(h, Call)] if holders else []
    if not calls or calls[0].func is not attribute:
        yield _rows(walk, attribute)
        return
    call = calls[0]
    if attribute.name in _SAME_ROWS:
        yield from _fates(walk, call)
    elif attribute.name in _ONE_OF_MANY:
        yield Fate(Use.FIRST, call.at, walk.standing, f"`.{attribute.name}()`")
    else:
        yield _rows(walk, call)


def _item(walk: _Walk, expr: Expr, item: Subscript) -> Iterator[Fate]:
    at = _place(walk, expr)
    number = item.index.right if isinstance(item.index, Arithmetic) else item.index
    if isinstance(number, Const) and isinstance(number.value, int):
        sign = "-" if number is not item.index else ""
        yield Fate(Use.FIRST, at, walk.standing, f"`[{sign}{number.value}]`")
    elif isinstance(item.index, Opaque) and _cuts_front(item.index):
        yield Fate(Use.FIRST, at, walk.standing, "a slice")
    else:
        yield _rows(walk, expr)


def _cuts_front(index: Opaque) -> bool:
    """`[:10]`: a slice of the first rows, to a number from the front."""
    match index.children:
        case (Const(value=0), Const(value=int() as last)):
            return last > 0
        case _:
            return False


def _place(walk: _Walk, expr: Expr) -> At:
    """Where an expression stands: its own place, or the nearest read of its name."""
    at = getattr(expr, "at", None)
    if at is not None:
        return At(*at)
    function = walk.standing.function
    path = path_of(expr)
    reads = function.events if function is not None else ()
    found = [e.at for e in reads if isinstance(e, Read) and e.path[: len(path)] == path]
    return found[-1] if found else At(walk.standing.frame.line, 1, walk.standing.frame.line, 1)


def _given(walk: _Walk, expr: Expr, call: Call) -> Iterator[Fate]:
    """The rows are an argument of a call."""
    name = call.func.name if isinstance(call.func, Name) else ""
    is_argument = any(argument is expr for argument in call.args)
    if not is_argument or not name:
        yield _rows(walk, call)
    elif name == "any" and isinstance(expr, Comprehension):
        yield Fate(Use.TESTED, call.at, walk.standing, "`any()`")
    elif name == "len":
        yield _length(walk, call)
    elif name == "bool":
        yield Fate(Use.EXISTENCE, call.at, walk.standing, "`bool()`")
    elif name == "next":
        yield Fate(Use.FIRST, call.at, walk.standing, "`next()`")
    elif name in _AGGREGATES:
        column = _key_column(call.keyword("key"))
        yield Fate(Use.AGGREGATE, call.at, walk.standing, f"`{name}()`", column)
    elif name in _SAME_LIST:
        yield from _fates(walk, call)
    else:
        yield _rows(walk, call)


def _key_column(key: Expr | None) -> str:
    """The column of `key=lambda row: row.size`."""
    if not isinstance(key, Lambda) or len(key.parameters) != 1:
        return ""
    path = path_of(key.body)
    is_column = len(path) == 2 and path[0] == key.parameters[0]  # noqa: PLR2004 - the row and its column
    return path[1].strip("[]") if is_column else ""


def _length(walk: _Walk, call: Call) -> Fate:
    """`len(rows)`: the number, unless it is only compared with none."""
    holders = walk.holders.of(call) if walk.holders else ()
    for holder in holders:
        if isinstance(holder, (Test, Not)) or _asks_for_none(holder):
            return Fate(Use.COUNT, call.at, walk.standing, NONE_OR_SOME)
    return Fate(Use.COUNT, call.at, walk.standing, "`len()`")


def _asks_for_none(holder: Holder) -> bool:
    """`len(rows) > 0`, `len(rows) >= 1`, `len(rows) < 1`, `len(rows) == 0`."""
    if not isinstance(holder, Compare) or len(holder.rights) != 1:
        return False
    other = holder.rights[0]
    limits = {0: {"==", "!=", ">", "<="}, 1: {">=", "<"}}
    number = other.value if isinstance(other, Const) else None
    return isinstance(number, int) and holder.operators[0] in limits.get(number, ())


def _weighed(walk: _Walk, expr: Expr, holder: Compare | Logic | Choice) -> Iterator[Fate]:
    if isinstance(holder, Compare):
        others = [other for other in (holder.left, *holder.rights) if other is not expr]
        is_of_none = all(getattr(other, "items", None) == () for other in others)
        if is_of_none and holder.operators[0] in {"==", "!="}:
            yield Fate(Use.EXISTENCE, holder.at, walk.standing, "a comparison with none")
        else:
            yield _rows(walk, expr)
        return
    if isinstance(holder, Choice) and holder.test is expr:
        return  # a Test holds it too
    yield from _fates(walk, holder)


def _outside(walk: _Walk, given: Return) -> Iterator[Fate]:
    """The rows are returned: to the call one line further out on the path."""
    function = walk.standing.function
    depth = walk.depth + 1
    if function is None or function.is_generator or depth >= len(walk.path):
        yield Fate(Use.ROWS, given.at, walk.standing)
        return
    outer = walk.path[depth]
    if not isinstance(outer.event, Call) or last_step(outer.event.func) != function.name:
        yield Fate(Use.ROWS, given.at, walk.standing)
        return
    outside = walk._replace(depth=depth, seen=frozenset())
    if outside.holders is None or not outside.holders.of(outer.event):
        yield _rows(outside, outer.event)  # dropped: it says nothing of what others do with them
    else:
        yield from _fates(outside, outer.event)


def _named(walk: _Walk, bind: Bind) -> Iterator[Fate]:
    """The rows get a name: what is done with it, everywhere in the function."""
    name, holders = bind.target, walk.holders
    function = walk.standing.function
    if holders is None or function is None or bind.kind != "assign" or name in walk.seen:
        yield Fate(Use.ROWS, bind.at, walk.standing)
        return
    if not _is_local(walk, name, bind) or not holders.is_seen_whole(name):
        yield Fate(Use.ROWS, bind.at, walk.standing)
        return
    inner = walk._replace(seen=walk.seen | {name})
    for mention in holders.mentions_of(name):
        for holder in holders.of(mention):
            yield from _held(inner, mention, holder)


def _is_local(walk: _Walk, name: str, bind: Bind) -> bool:
    """Whether a name holds these rows and nothing else, and no inner function reads it."""
    function, module = walk.standing.function, walk.standing.module
    if function is None or module is None or "." in name or "[" in name:
        return False
    if function.name == "<module>":
        return False
    binds = [
        event
        for event in function.events
        if isinstance(event, Bind) and event.target.split(".")[0].split("[")[0] == name
    ]
    if any(event is not bind and not _is_nothing(event.value) for event in binds):
        return False
    inner = (f for f in module.functions if f.qualname.startswith(f"{function.qualname}.<locals>"))
    return not any(_reads(each.events, name) for each in inner)


def _is_nothing(expr: Expr | None) -> bool:
    """`None`, `[]` and `()`, which a name holds until there are rows."""
    return (isinstance(expr, Const) and expr.value is None) or getattr(expr, "items", None) == ()


def _reads(events: Iterable[object], name: str) -> bool:
    return any(isinstance(event, Read) and event.path[0] == name for event in events)


def _looped(walk: _Walk, region: Region) -> Iterator[Fate]:
    """The rows are what a loop goes through."""
    function, holders = walk.standing.function, walk.holders
    if function is None or holders is None or region.kind not in {"for", "comprehension"}:
        at = region.at
        yield Fate(Use.ROWS, at, walk.standing)
        return
    made = holders.made_by.get(region.index)
    found = use_of_loop(function, region, made)
    if found.use is Use.COLUMN and made is not None:
        yield from _of_column(walk, made, found)
    else:
        yield Fate(found.use, found.at, walk.standing, found.words, found.column)


def _of_column(walk: _Walk, made: Comprehension, found: LoopUse) -> Iterator[Fate]:
    """One column of each row: for its sum, its distinct values, or for themselves."""
    holders = walk.holders
    if made.kind == "set" or (holders is not None and _is_set(holders, made)):
        yield Fate(Use.AGGREGATE, found.at, walk.standing, "a set", found.column)
        return
    for fate in _fates(walk, made):
        if fate.use is Use.TESTED:
            yield fate._replace(use=Use.SELECTION, column=found.column)
        elif fate.use in {Use.AGGREGATE, Use.COUNT, Use.EXISTENCE, Use.FIRST}:
            yield fate._replace(column=fate.column or found.column)
        else:
            yield fate


def _is_set(holders: Holders, made: Comprehension) -> bool:
    return any(
        isinstance(holder, Call) and isinstance(holder.func, Name) and holder.func.name == "set"
        for holder in holders.of(made)
    )
