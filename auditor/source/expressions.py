"""Expressions as facts keep them: small immutable trees, and how to walk them.

`auditor.source.facts` gives all of these names too; that is where others import them from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class At(NamedTuple):
    """A place in the module: first and last line, both inside, and columns from 1."""

    line: int
    column: int
    end_line: int
    end_column: int


_SMALL = 11
"""Bits of a column, and of the lines that follow the first, in a small place: enough for most, and
with the first line still two digits of an `int`, a third less than any that has three."""
_BITS = 24
"""Bits of a column and of the lines that follow in any other one: more than the largest file has.
The lowest bit tells that the place is such a one."""
_MASKS = ((1 << _SMALL) - 1, (1 << _BITS) - 1)


def at_place(place: int) -> At:
    """The place that `place_at` packed."""
    bits, mask = (_BITS, _MASKS[1]) if place & 1 else (_SMALL, _MASKS[0])
    place >>= 1
    line = place >> 3 * bits
    return At(line, place >> 2 * bits & mask, line + (place >> bits & mask), place & mask)


def place_at(at: At) -> int:
    """A place as one number, the way events and expressions keep it: a scan makes a million."""
    return packed(at.line, at.column, at.end_line, at.end_column)


def packed(line: int, column: int, end_line: int, end_column: int) -> int:
    """A place as one number."""
    more = end_line - line
    if (column | more | end_column) >> _SMALL == 0:
        return (((line << _SMALL | column) << _SMALL | more) << _SMALL | end_column) << 1
    return (((line << _BITS | column) << _BITS | more) << _BITS | end_column) << 1 | 1


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
    """`base[index]`; a slice is `Opaque` of its parts, `[:3]` as `[0:3]`."""

    base: Expr
    index: Expr  # type: ignore[assignment]  # hides tuple.index, which facts do not need


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
    place: int
    region: int
    awaited: bool

    @property
    def at(self) -> At:
        """Where it stands."""
        return at_place(self.place)

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
    place: int

    @property
    def at(self) -> At:
        """Where it stands."""
        return at_place(self.place)


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
    place: int

    @property
    def at(self) -> At:
        """Where it stands."""
        return at_place(self.place)


class Logic(NamedTuple):
    """`and` or `or` over two or more items."""

    operator: str
    items: tuple[Expr, ...]
    place: int

    @property
    def at(self) -> At:
        """Where it stands."""
        return at_place(self.place)


class Not(NamedTuple):
    """`not operand`."""

    operand: Expr
    place: int

    @property
    def at(self) -> At:
        """Where it stands."""
        return at_place(self.place)


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


Expr = (
    Const | Name | Attribute | Subscript | Starred | Call | Text | Items | Pairs | Compare | Logic
    | Not | Arithmetic | Choice | Comprehension | Lambda | Opaque
)  # fmt: skip


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
    if type(expr) is Name:
        return expr.name
    steps: list[str] = []
    while type(expr) is Attribute:
        steps.append(expr.name)
        expr = expr.base
    if type(expr) is not Name:
        return ""
    steps.append(expr.name)
    steps.reverse()
    return ".".join(steps)


def chain_of(expr: Expr | None) -> tuple[Expr | None, tuple[str, ...]]:
    """What a chain of methods begins with, and the methods, last one first: `db` and `("all",
    "filter", "query")` of `db.query(Label).filter(...).all()`."""
    links: list[str] = []
    while isinstance(expr, Call) and isinstance(expr.func, Attribute):
        links.append(expr.func.name)
        expr = expr.func.base
    return expr, tuple(links)


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


def outside_calls(*exprs: Expr | None) -> Iterator[Expr]:
    """The expressions and everything in them that is not inside a call, each call itself included:
    a call is an event of its own, so whoever looks at all events looks into it there."""
    stack = [expr for expr in reversed(exprs) if expr is not None]
    while stack:
        found = stack.pop()
        yield found
        kind = type(found)
        if kind is not Name and kind is not Const and kind is not Call:
            stack.extend(reversed(children_of(found)))
