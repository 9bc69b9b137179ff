"""Facts: what one module says, in a form that is cheap to keep, load and link.

    ModuleFacts
     ├ imports       {"db_api": "neutron_lib.db.api", "select": "sqlalchemy.select"}
     ├ classes       ClassFacts: bases, decorators, assignments of the body
     ├ functions     FunctionFacts: every function, method and nested function, outermost first, and
     │   │           last the module body itself, named `<module>`
     │   ├ regions   Region tree: loops, try bodies, handlers, with blocks, branches
     │   └ events    what happens, in order of evaluation: calls, binds, reads, tests, raises, ...
     └ suppressions  comments `# auditor: ignore[...]` with the lines of the statement they stand on

A region covers the events `first <= i < last` of its function, sub-regions included, so "all calls
in this loop" is a slice. A loop's iterable, a handler's types and a test are evaluated in the
*enclosing* region. Expressions are small immutable trees (`Expr`); a `Call` is both an event and
the value it stands for in expressions around it: the same object.

NamedTuples, not dataclasses: a scan makes some hundred thousand of them, and they build 2.6 times
faster and pickle smaller. They are tuples, so tell them apart with `isinstance` or `match`, never
with `==`: `Name("x") == Const("x")`. Lines and columns count from 1; events and expressions keep
where they stand as one number, and give it as `At` when asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from auditor.source.expressions import (
    Arithmetic,
    At,
    Attribute,
    Call,
    Choice,
    Compare,
    Comprehension,
    Const,
    Expr,
    Items,
    Keyword,
    Lambda,
    Logic,
    Name,
    Not,
    Opaque,
    Pairs,
    Starred,
    Subscript,
    Text,
    at_place,
    chain_of,
    children_of,
    dotted,
    outside_calls,
    path_of,
    place_at,
    walk,
)

__all__ = [
    "Arithmetic",
    "At",
    "Attribute",
    "Bind",
    "Call",
    "Choice",
    "ClassFacts",
    "Compare",
    "Comprehension",
    "Const",
    "Event",
    "Expr",
    "FunctionFacts",
    "Items",
    "Jump",
    "Keyword",
    "Lambda",
    "Logic",
    "ModuleFacts",
    "Name",
    "Not",
    "Opaque",
    "Pairs",
    "Parameter",
    "Raise",
    "Read",
    "Region",
    "Return",
    "Starred",
    "Subscript",
    "Suppression",
    "Test",
    "Text",
    "WithItem",
    "Yield",
    "at_place",
    "chain_of",
    "children_of",
    "dotted",
    "outside_calls",
    "path_of",
    "place_at",
    "walk",
]


class Bind(NamedTuple):
    """A name, attribute or item receives a value.

    `target` is dotted (`routers`, `self.cache`); an item store ends in `[]` (`found[]`). `kind` is
    `assign`, `augment` (value is the whole new value), `loop` (value is the iterable), `with`
    (value is the context expression), `except`, `unpack` (value is the whole right side), `define`
    (a def or class statement), `capture` (a match pattern) or `delete`. `annotation` is what is
    written after the colon.
    """

    target: str
    value: Expr | None
    kind: str
    place: int
    region: int
    annotation: Expr | None = None

    @property
    def at(self) -> At:
        """Where it stands."""
        return at_place(self.place)


class Read(NamedTuple):
    """A name or a chain from a name is read, as long as it goes: `label.db_obj.routers` is one Read
    of `("label", "db_obj", "routers")`. A constant string key is a step in brackets:
    `router["id"]` is `("router", "[id]")`. The function of a call is read too."""

    path: tuple[str, ...]
    place: int
    region: int

    @property
    def at(self) -> At:
        """Where it stands."""
        return at_place(self.place)


class Test(NamedTuple):
    """A condition. `kind` is `if`, `while`, `assert`, `choice` (`a if test else b`), `logic` (an
    item of `and`/`or` that decides about the next), `filter` (of a comprehension) or `match`.
    `region` is where it is evaluated."""

    expr: Expr
    kind: str
    place: int
    region: int

    @property
    def at(self) -> At:
        """Where it stands."""
        return at_place(self.place)


class Raise(NamedTuple):
    """`raise error from cause`; `error` None is a bare raise. `has_cause` tells `from` apart from
    its absence, also for `from None`."""

    error: Expr | None
    cause: Expr | None
    has_cause: bool
    place: int
    region: int

    @property
    def at(self) -> At:
        """Where it stands."""
        return at_place(self.place)


class Return(NamedTuple):
    """`return value`."""

    value: Expr | None
    place: int
    region: int

    @property
    def at(self) -> At:
        """Where it stands."""
        return at_place(self.place)


class Yield(NamedTuple):
    """`yield value` or `yield from value`."""

    value: Expr | None
    delegates: bool
    place: int
    region: int

    @property
    def at(self) -> At:
        """Where it stands."""
        return at_place(self.place)


class Jump(NamedTuple):
    """`continue`, `break` or `pass`."""

    kind: str
    place: int
    region: int

    @property
    def at(self) -> At:
        """Where it stands."""
        return at_place(self.place)


Event = Call | Bind | Read | Test | Raise | Return | Yield | Jump


class WithItem(NamedTuple):
    """One context manager of a with statement; `name` is what `as` binds, empty if nothing."""

    expr: Expr
    name: str


class Region(NamedTuple):
    """A stretch of a function's events that run, repeat or fail together.

    `kind` and what belongs to it:
      function, class (body of a class inside a module body), lambda
      for       `target` names bound, `expr` iterable         comprehension   the same
      while     `expr` test
      if, else  `expr` test; `partner` of else is its if
      try, try-else, finally    `partner` of the last two is the try
      handler   `types` caught (empty: everything), `name` bound, `partner` is the try
      with      `items`, entered and bound before it, in the enclosing region
      case      `expr` subject
      loop-else `partner` is the loop
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which facts do not need
    kind: str
    parent: int
    place: int
    first: int
    last: int
    partner: int = -1
    target: tuple[str, ...] = ()
    expr: Expr | None = None
    types: tuple[Expr, ...] = ()
    name: str = ""
    items: tuple[WithItem, ...] = ()
    is_async: bool = False

    @property
    def at(self) -> At:
        """Where it stands."""
        return at_place(self.place)


class Parameter(NamedTuple):
    """A parameter; `kind` is positional, keyword, args or kwargs."""

    name: str
    kind: str
    annotation: Expr | None
    default: Expr | None


class FunctionFacts(NamedTuple):
    """A function, method or module body. `class_name` is the qualified name of the class it is
    defined in, empty outside classes. `at` covers the definition without its decorators;
    `has_words` tells that it, or one of them, has a word that database code has."""

    name: str
    qualname: str
    class_name: str
    at: At
    parameters: tuple[Parameter, ...]
    returns: Expr | None
    decorators: tuple[Expr, ...]
    is_async: bool
    is_generator: bool
    has_docstring: bool
    regions: tuple[Region, ...]
    events: tuple[Event, ...]
    has_words: bool = True

    def ancestors(self, region: int) -> Iterator[Region]:
        """The region itself and those around it, innermost first."""
        while region >= 0:
            found = self.regions[region]
            yield found
            region = found.parent

    def inside(self, region: Region) -> tuple[Event, ...]:
        """The events of a region, sub-regions included, in order of evaluation."""
        return self.events[region.first : region.last]


class ClassFacts(NamedTuple):
    """A class: `assignments` are the binds of its own body, in order."""

    name: str
    qualname: str
    at: At
    bases: tuple[Expr, ...]
    keywords: tuple[Keyword, ...]
    decorators: tuple[Expr, ...]
    assignments: tuple[Bind, ...]
    methods: tuple[str, ...]
    has_docstring: bool


class Suppression(NamedTuple):
    """A comment `# auditor: ignore[DBA301] reason` on line `line`; it holds for the statement on
    lines `first` to `last`. Codes are as written, upper case."""

    line: int
    first: int
    last: int
    codes: tuple[str, ...]
    reason: str


class ModuleFacts(NamedTuple):
    """All facts of one file. `name` is the dotted module name as the scan root implies it."""

    path: str
    name: str
    is_package: bool
    imports: Mapping[str, str]
    classes: tuple[ClassFacts, ...]
    functions: tuple[FunctionFacts, ...]
    suppressions: tuple[Suppression, ...]
    lines: int
    is_test: bool = False
    """Whether it is one of tests: its functions without a word of database code have no events."""

    @property
    def body(self) -> FunctionFacts:
        """The module body, a function named `<module>`."""
        return self.functions[-1]
