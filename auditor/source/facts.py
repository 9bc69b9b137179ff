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

NamedTuples, not dataclasses: a scan makes some hundred thousand of them, and they build three times
faster and pickle smaller. They are tuples, so tell them apart with `isinstance` or `match`, never
with `==`: `Name("x") == Const("x")`. Lines and columns count from 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Union


class At(NamedTuple):
    """A place in the module: first and last line, both inside, and columns from 1."""

    line: int
    column: int
    end_line: int
    end_column: int


class Const(NamedTuple):
    """A literal; `...` and complex numbers are kept as their text in `Opaque`."""

    value: str | bytes | int | float | bool | None


class Name(NamedTuple):
    """A bare name."""

    name: str


class Attribute(NamedTuple):
    """`base.name`."""

    base: Expr
    name: str


class Subscript(NamedTuple):
    """`base[index]`; a slice is `Opaque` of its parts."""

    base: Expr
    index: Expr


class Starred(NamedTuple):
    """`*value` among arguments or items."""

    value: Expr


class Keyword(NamedTuple):
    """`name=value`; the name is empty for `**value`."""

    name: str
    value: Expr


class Call(NamedTuple):
    """A call. `region` is the innermost region it is evaluated in; `awaited` tells `await f()`."""

    func: Expr
    args: tuple[Expr, ...]
    keywords: tuple[Keyword, ...]
    at: At
    region: int
    awaited: bool

    def keyword(self, name: str) -> Expr | None:
        """The value of a keyword argument, None if it is not written."""
        return next((k.value for k in self.keywords if k.name == name), None)


class Text(NamedTuple):
    """A string built from parts: literal pieces are `str`, holes are expressions.

    `how` is `f-string`, `percent`, `format`, `concat` or `join`. For `percent` and `format` with a
    constant template the holes stand in place; `join` has the separator, then the joined value.
    """

    parts: tuple[str | Expr, ...]
    how: str
    at: At


class Items(NamedTuple):
    """A tuple, list or set display."""

    kind: str
    items: tuple[Expr, ...]


class Pairs(NamedTuple):
    """A dict display; a key is None for `**value`."""

    keys: tuple[Expr | None, ...]
    values: tuple[Expr, ...]


class Compare(NamedTuple):
    """`left op right ...`; operators are written as in source (`is not`, `==`, `in`)."""

    left: Expr
    operators: tuple[str, ...]
    rights: tuple[Expr, ...]
    at: At


class Logic(NamedTuple):
    """`and` or `or` over two or more items."""

    operator: str
    items: tuple[Expr, ...]
    at: At


class Not(NamedTuple):
    """`not operand`."""

    operand: Expr
    at: At


class Arithmetic(NamedTuple):
    """A binary or unary (`left` is None) operator that does not build a string for certain.

    The operator `%d` is a conversion to digits inside a string (see `auditor.source.strings`).
    """

    operator: str
    left: Expr | None
    right: Expr


class Choice(NamedTuple):
    """`then if test else otherwise`."""

    test: Expr
    then: Expr
    otherwise: Expr


class Comprehension(NamedTuple):
    """A comprehension; `kind` is list, set, dict or generator. `region` is its outermost loop; for
    dict the element is the value and `key` is set."""

    kind: str
    key: Expr | None
    element: Expr
    region: int


class Lambda(NamedTuple):
    """A lambda; its body is evaluated later, in a region of kind `lambda`."""

    parameters: tuple[str, ...]
    body: Expr
    region: int


class Opaque(NamedTuple):
    """Anything else, with the expressions inside it."""

    children: tuple[Expr, ...]


Expr = Union[
    Const, Name, Attribute, Subscript, Starred, Call, Text, Items, Pairs, Compare, Logic, Not,
    Arithmetic, Choice, Comprehension, Lambda, Opaque,
]  # fmt: skip


class Bind(NamedTuple):
    """A name, attribute or item receives a value.

    `target` is dotted (`routers`, `self.cache`); an item store ends in `[]` (`found[]`). `kind` is
    `assign`, `augment` (value is the whole new value), `loop` (value is the iterable), `with`
    (value is the context expression), `except`, `unpack` (value is the whole right side), `define`
    (a def or class statement), `capture` (a match pattern) or `delete`. `annotation` is what is written after the colon.
    """

    target: str
    value: Expr | None
    kind: str
    at: At
    region: int
    annotation: Expr | None = None


class Read(NamedTuple):
    """A name or a chain from a name is read, as long as it goes: `label.db_obj.routers` is one Read
    of `("label", "db_obj", "routers")`. A constant string key is a step in brackets:
    `router["id"]` is `("router", "[id]")`. The function of a call is read too."""

    path: tuple[str, ...]
    at: At
    region: int


class Test(NamedTuple):
    """A condition. `kind` is `if`, `while`, `assert`, `choice` (`a if test else b`), `logic` (an item
    of `and`/`or` that decides about the next), `filter` (of a comprehension) or `match`. `region` is
    where it is evaluated."""

    expr: Expr
    kind: str
    at: At
    region: int


class Raise(NamedTuple):
    """`raise error from cause`; `error` None is a bare raise. `has_cause` tells `from` apart from
    its absence, also for `from None`."""

    error: Expr | None
    cause: Expr | None
    has_cause: bool
    at: At
    region: int


class Return(NamedTuple):
    """`return value`."""

    value: Expr | None
    at: At
    region: int


class Yield(NamedTuple):
    """`yield value` or `yield from value`."""

    value: Expr | None
    delegates: bool
    at: At
    region: int


class Jump(NamedTuple):
    """`continue`, `break` or `pass`."""

    kind: str
    at: At
    region: int


Event = Union[Call, Bind, Read, Test, Raise, Return, Yield, Jump]


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
      with      `items`
      case      `expr` subject
      loop-else `partner` is the loop
    """

    index: int
    kind: str
    parent: int
    at: At
    first: int
    last: int
    partner: int = -1
    target: tuple[str, ...] = ()
    expr: Expr | None = None
    types: tuple[Expr, ...] = ()
    name: str = ""
    items: tuple[WithItem, ...] = ()
    is_async: bool = False


class Parameter(NamedTuple):
    """A parameter; `kind` is positional, keyword, args or kwargs."""

    name: str
    kind: str
    annotation: Expr | None
    default: Expr | None


class FunctionFacts(NamedTuple):
    """A function, method or module body. `class_name` is the qualified name of the class it is
    defined in, empty outside classes. `at` covers the definition without its decorators."""

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

    @property
    def body(self) -> FunctionFacts:
        """The module body, a function named `<module>`."""
        return self.functions[-1]


def path_of(expr: Expr | None) -> tuple[str, ...]:
    """The chain of names of an expression such as `a.b["c"].d`, () if it is not rooted in a name.

    Steps are as in `Read.path`.
    """
    steps: list[str] = []
    while True:
        if isinstance(expr, Attribute):
            steps.append(expr.name)
            expr = expr.base
        elif (
            isinstance(expr, Subscript)
            and isinstance(expr.index, Const)
            and isinstance(expr.index.value, str)
        ):
            steps.append(f"[{expr.index.value}]")
            expr = expr.base
        elif isinstance(expr, Name):
            steps.append(expr.name)
            return tuple(reversed(steps))
        else:
            return ()


def dotted(expr: Expr | None) -> str:
    """`a.b.c` for a chain of attributes from a name, empty for anything else."""
    path = path_of(expr)
    return "" if any(step.startswith("[") for step in path) else ".".join(path)


def children_of(expr: Expr | str | None) -> tuple[Expr, ...]:
    """The direct sub-expressions, in order of evaluation."""
    match expr:
        case None | str() | Const() | Name():
            return ()
        case Attribute(base=base) | Subscript(base=base, index=Const()):
            return (base,)
        case Subscript(base=base, index=index):
            return (base, index)
        case Starred(value=value) | Not(operand=value) | Lambda(body=value):
            return (value,)
        case Call(func=func, args=args, keywords=keywords):
            return (func, *args, *(k.value for k in keywords))
        case Text(parts=parts):
            return tuple(p for p in parts if not isinstance(p, str))
        case Items(items=items) | Logic(items=items) | Opaque(children=items):
            return items
        case _:
            return _children_of_rarer(expr)


def _children_of_rarer(expr: Expr) -> tuple[Expr, ...]:
    match expr:
        case Pairs(keys=keys, values=values):
            return tuple(k for k in keys if k is not None) + values
        case Compare(left=left, rights=rights):
            return (left, *rights)
        case Arithmetic(left=left, right=right):
            return (right,) if left is None else (left, right)
        case Choice(test=test, then=then, otherwise=otherwise):
            return (test, then, otherwise)
        case Comprehension(key=key, element=element):
            return (element,) if key is None else (key, element)
        case _:
            return ()


def walk(expr: Expr | None) -> Iterator[Expr]:
    """The expression and everything inside it, outermost first. Never recursive: a literal of a
    hundred thousand items or a sum of as many terms is walked as well as a small one."""
    stack: list[Expr] = [] if expr is None else [expr]
    while stack:
        found = stack.pop()
        yield found
        stack.extend(reversed(children_of(found)))
