"""Knowledge: what callables, objects, contexts and errors of known libraries do, as rows.

A `Table` is a named tuple of rows. `auditor.knowledge:TABLES` holds the built-in ones, packages add
theirs through the entry-point group `auditor.knowledge`, users through the setting `knowledge`.
`merged` makes one `Knowledge` of them all.

Things are told apart by *kind*, a string: `session`, `query`, `rows` (the constants below; a table
may add its own). A method is named by the kind it is called on, everything else by the absolute
dotted name its imports lead to. In a dotted name `*` stands for one or more steps, so
`pkg.objects.*.get_objects` is that method of every class below `pkg.objects`; a name that ends in
`Class.method` also holds for every subclass the scan knows.

Every row carries `samples`, small modules it must match, `near_misses`, which it must not, and a
`source`, where it was learnt. What "match" means stands at each row; in samples of receivers and
errors the thing in question is bound to the name `it`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SESSION = "session"
CONNECTION = "connection"
ENGINE = "engine"
QUERY = "query"
"""A legacy `Query`: iterating it, or a method that ends it, issues the statement."""
STATEMENT = "statement"
"""A `select()` and the like: nothing is issued before it is given to a session or connection."""
RESULT = "result"
"""A result whose statement was issued already; iterating it gives tuples and issues nothing."""
SCALARS = "scalar result"
"""A result of single values: iterating it gives rows of the class that was selected."""
TUPLES = "tuples"
TUPLE = "tuple"
ROWS = "rows"
ROW = "row"
ROW_OR_NONE = "row or none"
NUMBER = "number"
MAPPED_CLASS = "mapped class"
"""A class with a table; receivers may be attributes of it (`User.query`)."""
CONTEXT = "context"
"""A request context that carries `.session`."""
SESSION_FACTORY = "session factory"
COLUMN = "column"
"""A mapped attribute that is a column: `Model.size`."""
CURSOR = "cursor"
"""A DB-API cursor."""
DRIVER_CONNECTION = "driver connection"
"""A DB-API connection."""
DELEGATE = "delegate"
"""What stands for a module that a string among the arguments names: its attributes are those."""


class Effect(enum.Enum):
    """What a call does to the database or to the world."""

    READ = "read"
    """A SELECT is issued."""
    WRITE = "write"
    """An INSERT, UPDATE, DELETE or DDL statement is issued."""
    STATEMENT = "statement"
    """Some statement is issued; its text or construct says which."""
    FLUSH = "flush"
    """Pending changes of the session are written."""
    PENDING = "pending"
    """A change is noted in the session and written by a later flush."""
    COMMIT = "commit"
    ROLLBACK = "rollback"
    REFRESH = "refresh"
    """Rows already loaded are read again."""
    MESSAGE = "message"
    """Something leaves the process: RPC, notification, HTTP, a subprocess."""
    SLEEP = "sleep"
    LOCK = "lock"


ISSUES = frozenset(
    (Effect.READ, Effect.WRITE, Effect.STATEMENT, Effect.FLUSH, Effect.COMMIT, Effect.REFRESH)
)
"""Effects that cost a round trip to the database."""


class Of(enum.Enum):
    """Where the mapped class of what a call gives is written."""

    NOTHING = "nothing"
    RECEIVER = "receiver"
    """It is what the receiver holds: `query.all()` -> rows of the query's class; of a method called
    on a class, the class itself: `Router.get_objects()` -> rows of Router."""
    FIRST = "first argument"
    SECOND = "second argument"
    THIRD = "third argument"


class Mode(enum.Enum):
    """How a context takes part in transactions."""

    READER = "reader"
    WRITER = "writer"
    SAVEPOINT = "savepoint"
    INDEPENDENT_READER = "independent reader"
    INDEPENDENT_WRITER = "independent writer"
    PLAIN = "plain"
    """A plain SQLAlchemy transaction: `engine.begin()`, `with Session.begin()`."""
    SCOPE = "session scope"
    """A context manager of the program itself that ends the transaction of a session it holds."""
    SESSION_ONLY = "session"
    """A session or connection is opened and closed; nothing commits."""


KEEPING = frozenset((Mode.WRITER, Mode.INDEPENDENT_WRITER, Mode.PLAIN, Mode.SAVEPOINT, Mode.SCOPE))
"""Modes of contexts in which what is written is kept when they end well."""


class How(enum.Enum):
    """How an expression is known to be of a kind."""

    OBJECT = "object"
    """`name` is the dotted name of an object: `neutron_lib.db.api.CONTEXT_READER`."""
    CLASS = "class"
    """`name` is a class: its instances, parameters annotated with it, and its subclasses'."""
    ATTRIBUTE = "attribute"
    """`name` is an attribute of something of kind `on`: `context.session`."""
    NAME = "name"
    """By documented convention a parameter or variable called `name` is one."""
    ANY_ATTRIBUTE = "any attribute"
    """By documented convention an attribute called `name` of anything is one: `self.session`."""


class Takes(enum.Enum):
    """What a sink does with the text it is given."""

    STATEMENT = "statement"
    """A whole statement."""
    FRAGMENT = "fragment"
    """A piece of SQL that is put into a statement as it is."""


@dataclass(frozen=True, slots=True)
class Spelled:
    """A condition on a call: argument `position` (from 0) or keyword `keyword` is a name or a chain
    of attributes whose last step begins with one of `prefixes`: `events.AFTER_CREATE`."""

    position: int
    keyword: str
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CallableRow:
    """What a callable does and gives. With `on`, `name` is a method of that kind, else a dotted
    name. A sample has at least one call the row matches; a near miss has none.

    `lazy` tells an effect that comes only when the result is iterated. `raises` holds dotted names
    of database errors it raises by itself (`.one()`), beside those any statement may raise. `only`
    is what a call must look like to have the effects; `opens` the context the callable works in.
    """

    name: str
    source: str
    on: str = ""
    effects: tuple[Effect, ...] = ()
    returns: str = ""
    of: Of = Of.NOTHING
    lazy: bool = False
    raises: tuple[str, ...] = ()
    only: Spelled | None = None
    opens: Mode | None = None
    samples: tuple[str, ...] = ()
    near_misses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverRow:
    """How an expression is known to be of `kind`. In a sample `it` is; in a near miss it is not."""

    name: str
    kind: str
    how: How
    source: str
    on: str = ""
    samples: tuple[str, ...] = ()
    near_misses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContextRow:
    """A transaction context. With `on`, `name` is a method of that kind (`reader.using(context)`);
    with an empty `name` the kind itself serves (`@reader`); without `on`, `name` is a dotted name.

    `decorator` and `block` tell where it may stand. `gives` is the kind of what `as` binds.
    A sample has a with statement or a decorated function the row matches; a near miss has none.
    """

    name: str
    mode: Mode
    source: str
    on: str = ""
    decorator: bool = False
    block: bool = True
    gives: str = SESSION
    samples: tuple[str, ...] = ()
    near_misses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RetryRow:
    """A decorator that calls the function again. `retries` are the errors it always repeats on;
    `switches` pairs a keyword argument, when given as true, with the error it adds; errors named
    by a user function (`exception_checker=`) are unknown. `steps_back` tells that it leaves the
    retry to whoever opened the transaction, when one is open; `copies` that each call gets copies
    of the lists, dicts and sets among its arguments. A sample decorates a function."""

    name: str
    source: str
    retries: tuple[str, ...] = ()
    switches: tuple[tuple[str, str], ...] = ()
    steps_back: bool = False
    copies: bool = False
    samples: tuple[str, ...] = ()
    near_misses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """An error class. `library` is `sqlalchemy`, `oslo.db`, `driver` or a project's name.

    `under_oslo_db` tells what a handler for exactly this class sees on an engine made by oslo.db:
    `always` (it gets through as it is), `partly` (some of its cases are translated first; `becomes`
    names the translations), `never`, or empty where the question has no meaning. `retriable` tells
    that a repeated transaction may succeed. `aliases` are other dotted names of the same class.
    `stands_for` are database errors that a library raises this one in place of.
    In a sample `it` is the class; in a near miss it is another.
    """

    name: str
    bases: tuple[str, ...]
    library: str
    source: str
    under_oslo_db: str = ""
    becomes: tuple[str, ...] = ()
    retriable: bool = False
    attributes: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    note: str = ""
    stands_for: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    near_misses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SinkRow:
    """A callable that puts text into SQL. The text is argument `position` (from 0, -1: every
    positional argument) or keyword `keyword`. `refuses_str` tells that SQLAlchemy 2.x raises on a
    plain `str` there, `only_with` that the text is SQL only where that keyword is written. Samples
    and near misses as for CallableRow."""

    name: str
    source: str
    on: str = ""
    takes: Takes = Takes.STATEMENT
    position: int = 0
    keyword: str = ""
    refuses_str: bool = False
    only_with: str = ""
    samples: tuple[str, ...] = ()
    near_misses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WrapperRow:
    """A convention of classes that wrap a mapped one: class attribute `name` holds the mapped
    class, and attribute `row` of an instance is the row it was made of. A sample has a class with
    such an attribute."""

    name: str
    row: str
    source: str
    samples: tuple[str, ...] = ()
    near_misses: tuple[str, ...] = ()


Row = CallableRow | ReceiverRow | ContextRow | RetryRow | ErrorRow | SinkRow | WrapperRow


@dataclass(frozen=True, slots=True)
class Table:
    """A named group of rows: one library, or one side of it."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All tables merged. Of two rows with the same key the later one counts, so a user's rows
    outrank a package's and these the built-in ones. Keys of methods are `(kind, name)`."""

    tables: tuple[Table, ...] = ()
    callables: Mapping[str, CallableRow] = field(default_factory=dict)
    methods: Mapping[tuple[str, str], CallableRow] = field(default_factory=dict)
    patterns: Mapping[str, tuple[CallableRow, ...]] = field(default_factory=dict)
    """Rows whose name holds `*`, by the last step of the name."""
    method_names: frozenset[str] = frozenset()
    receivers: Mapping[tuple[How, str, str], ReceiverRow] = field(default_factory=dict)
    """By how, kind received on (empty but for ATTRIBUTE) and name."""
    contexts: Mapping[tuple[str, str], ContextRow] = field(default_factory=dict)
    """By kind (empty for a dotted name) and name (empty for the kind itself)."""
    retries: Mapping[str, RetryRow] = field(default_factory=dict)
    errors: Mapping[str, ErrorRow] = field(default_factory=dict)
    """By name and by every alias."""
    sinks: Mapping[tuple[str, str], tuple[SinkRow, ...]] = field(default_factory=dict)
    """By kind (empty for a dotted name) and name."""
    sink_methods: frozenset[str] = frozenset()
    wrappers: Mapping[str, WrapperRow] = field(default_factory=dict)

    def callable_named(self, name: str) -> CallableRow | None:
        """The row of an absolute dotted name, patterns included."""
        found = self.callables.get(name)
        if found is not None or not name:
            return found
        for row in self.patterns.get(name.rpartition(".")[2], ()):
            if _fits(name.split("."), row.name.split(".")):
                return row
        return None

    def error_bases(self, name: str) -> tuple[str, ...]:
        """The known ancestors of an error class, itself first, nearest before farther; aliases are
        replaced by the name of their row. Just the name for a class that is not known."""
        found: list[str] = []
        waiting = [name]
        while waiting:
            row = self.errors.get(current := waiting.pop(0))
            current = row.name if row else current
            if current not in found:
                found.append(current)
                waiting.extend(row.bases if row else ())
        return tuple(found)

    def is_error(self, name: str, base: str) -> bool:
        """Whether the error class `name` is `base` or below it, as far as the tables know."""
        row = self.errors.get(base)
        return (row.name if row else base) in self.error_bases(name)


def merged(tables: Iterable[Table]) -> Knowledge:
    """One Knowledge of all tables, later rows before earlier ones of the same key."""
    tables = tuple(tables)
    rows = [row for table in tables for row in table.rows]
    callables = [row for row in rows if isinstance(row, CallableRow)]
    sinks: dict[tuple[str, str], tuple[SinkRow, ...]] = {}
    for sink in (row for row in rows if isinstance(row, SinkRow)):
        sinks[sink.on, sink.name] = (*sinks.get((sink.on, sink.name), ()), sink)
    patterns: dict[str, tuple[CallableRow, ...]] = {}
    for row in callables:
        if "*" in row.name:
            last = row.name.rpartition(".")[2]
            patterns[last] = (row, *patterns.get(last, ()))
    errors = [row for row in rows if isinstance(row, ErrorRow)]
    return Knowledge(
        tables=tables,
        callables={r.name: r for r in callables if not r.on and "*" not in r.name},
        methods={(r.on, r.name): r for r in callables if r.on},
        patterns=patterns,
        method_names=frozenset(r.name for r in callables if r.on),
        receivers={(r.how, r.on, r.name): r for r in rows if isinstance(r, ReceiverRow)},
        contexts={(r.on, r.name): r for r in rows if isinstance(r, ContextRow)},
        retries={r.name: r for r in rows if isinstance(r, RetryRow)},
        errors={name: r for r in errors for name in (*r.aliases, r.name)},
        sinks=sinks,
        sink_methods=frozenset(name for on, name in sinks if on),
        wrappers={r.name: r for r in rows if isinstance(r, WrapperRow)},
    )


def _fits(steps: list[str], pattern: list[str]) -> bool:
    """Whether dotted steps fit a pattern in which `*` stands for one or more steps."""
    if not pattern or not steps:
        return not pattern and not steps
    if pattern[0] != "*":
        return steps[0] == pattern[0] and _fits(steps[1:], pattern[1:])
    return any(_fits(steps[count:], pattern[1:]) for count in range(1, len(steps) + 1))
