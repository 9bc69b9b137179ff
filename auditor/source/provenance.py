"""Where the text of a statement comes from: every hole of a built string is told by kind.

    f"SELECT {cols} FROM t WHERE id = {id}"      Piece(constant), Piece(parameter, "id"), ...

A text is followed through locals (also `+=`), module and class constants, imported constants, loops
over constants, look-ups in constant dicts, conditional expressions and the returned values of
functions of the project. What cannot be followed is `unknown`; nothing is guessed.

    provenance_names.py     names: binds, parameters, what callers pass, constants
    provenance_reaching.py  which binds of a name reach the place where it is used
    provenance_calls.py     calls: conversions, templates, joins, functions of the project
    provenance_options.py   options of the command line
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from auditor.source import constants
from auditor.source.conventions import (
    ALPHABETS,
    DECLARED,
    INPUTS,
    by_convention,
    is_enum,
    names_schema_object,
)
from auditor.source.facts import (
    Arithmetic,
    Attribute,
    Call,
    Choice,
    Compare,
    Comprehension,
    Const,
    Expr,
    Items,
    Logic,
    Name,
    Not,
    Opaque,
    Pairs,
    Starred,
    Subscript,
    Text,
    dotted,
    path_of,
)
from auditor.source.guards import is_guarded
from auditor.source.pieces import (
    Budget,
    Kind,
    Piece,
    Place,
    kind_of_constant,
    root_of,
    written,
)
from auditor.source.provenance_calls import of_call, of_property, template_of
from auditor.source.provenance_names import (
    added_to_attribute,
    defined,
    of_name,
    of_parameter,
)
from auditor.source.provenance_options import declared_kind
from auditor.source.strings import percent, terms_of

_PIECES = 400
_STARTS = frozenset({"__init__", "__post_init__"})


def pieces_of(place: Place, expr: Expr | None) -> tuple[Piece, ...]:
    """The pieces of the text that `expr` gives, in order; alternatives follow one another."""
    pieces: list[Piece] = []
    for piece in _pieces(replace(place, budget=Budget(), follow=_pieces), expr):
        pieces.append(piece)
        if len(pieces) >= _PIECES:
            pieces.append(Piece(Kind.UNKNOWN, source="..."))
            break
    return tuple(pieces)


def _pieces(place: Place, expr: Expr | None) -> Iterator[Piece]:
    match expr:
        case None:
            return
        case _ if place.budget.is_spent():
            yield Piece(Kind.UNKNOWN, source=written(expr))
        case Const(value=value):
            yield Piece(kind_of_constant(value), text="" if value is None else str(value))
        case Text(parts=(str(separator), joined), how="join") if not isinstance(joined, str):
            yield from _pieces(place, joined)
            yield Piece(Kind.CONSTANT, separator)
        case Text(parts=parts):
            for part in parts:
                yield from (
                    [Piece(Kind.CONSTANT, part)] if isinstance(part, str) else _pieces(place, part)
                )
        case Name(name=name):
            yield from of_name(place, name)
        case Attribute() | Subscript():
            yield from _of_chain(place, expr)
        case Call():
            yield from of_call(place, expr)
        case _:
            yield from _of_compound(place, expr)


def _of_compound(place: Place, expr: Expr) -> Iterator[Piece]:
    match expr:
        case Choice(then=then, otherwise=otherwise):
            yield from _pieces(place, then)
            yield from _pieces(place, otherwise)
        case Arithmetic():
            yield from _of_arithmetic(place, expr)
        case Logic(items=items) | Items(items=items) | Pairs(values=items):
            for item in items:
                yield from _pieces(place, item)
        case Starred(value=inner):
            yield from _pieces(place, inner)
        case Comprehension(element=inner, region=region):
            there = place if place.at is None else replace(place, region=region)
            yield from _pieces(there, inner)
        case Compare() | Not():
            yield Piece(Kind.NUMBER, "0")
        case Opaque(children=()):
            yield Piece(Kind.CONSTANT)
        case _:
            yield Piece(Kind.UNKNOWN, source=written(expr))


def _of_arithmetic(place: Place, expr: Arithmetic) -> Iterator[Piece]:
    match expr:
        case Arithmetic(operator="%d"):
            yield Piece(Kind.NUMBER, "0")
        case Arithmetic(operator="*", left=left, right=right):
            yield from _repeated(place, left, right)
        case Arithmetic(operator="%", left=left, right=right) if template := template_of(
            place, left
        ):
            yield from _pieces(place, percent(Const(template), right, 0))
        case Arithmetic(operator="+" | "%" | "|"):
            for term in terms_of(expr):
                yield from _pieces(place, term)
        case Arithmetic():
            yield Piece(Kind.NUMBER, "0")


def _repeated(place: Place, left: Expr | None, right: Expr) -> Iterator[Piece]:
    """`"?, " * n` and `["?"] * n`: generated placeholders."""
    for side in (left, right):
        found = tuple(_pieces(place, side))
        if found and all(piece.kind is Kind.CONSTANT for piece in found):
            yield Piece(Kind.BOUND, "".join(piece.text for piece in found))
            return
    yield Piece(Kind.NUMBER, "0")


def _of_chain(place: Place, expr: Attribute | Subscript) -> Iterator[Piece]:
    """Attributes and items: constants of classes, items of constants, input, else unknown."""
    kept, path = place.project.shared, path_of(expr)
    if is_guarded(kept, place.function, path) or _is_guarded_at_start(place, path):
        yield Piece(Kind.GUARDED, source=written(expr))
    elif _is_input(expr):
        yield Piece(Kind.INPUT, source=written(expr))
    elif isinstance(expr, Attribute) and (
        expr.name in DECLARED or place.project.resolve(place.module, expr) in ALPHABETS
    ):
        yield Piece(Kind.CONSTANT)
    elif isinstance(expr, Attribute):
        yield from _of_attribute(place, expr)
    else:
        yield from _of_item(place, expr)


def _is_guarded_at_start(place: Place, path: tuple[str, ...]) -> bool:
    """Whether `self.x` is let through by a test of the method that sets the object up."""
    own = place.function.class_name
    return (
        bool(own)
        and path[:1] == ("self",)
        and any(
            is_guarded(place.project.shared, function, path)
            for function in place.module.functions
            if function.class_name == own and function.name in _STARTS
        )
    )


def _is_input(expr: Attribute | Subscript) -> bool:
    """Whether it is what somebody sent; `request.registry` of Pyramid holds the settings."""
    path = path_of(expr)
    if "registry" in path:
        return False
    names = {".".join(path[:length]).partition("[")[0] for length in range(1, 4)}
    return bool(INPUTS & {root_of(expr), dotted(expr), dotted(expr.base), *names})


def _of_attribute(place: Place, expr: Attribute) -> Iterator[Piece]:
    base = path_of(expr.base)
    if base and base[-1] in ("__table__", "__mapper__"):  # a mapped table's own names
        yield Piece(Kind.CONSTANT)
        return
    if expr.name in ("key", "name", "fullname") and _is_schema_object(place, base):
        yield Piece(Kind.CONSTANT)
        return
    found = constants.of_attribute(place.project, place.module, place.function, expr)
    name = written(expr)
    if found and not place.was_at(name):
        further = place.deeper(name)
        yield from defined(further, found)
        yield from added_to_attribute(further, expr)
    elif isinstance(expr.base, (Call, Subscript)) and not base:
        yield from _of_result(place, expr)
    else:
        yield from of_property(place, expr) or _dynamic(place, expr)


def _of_result(place: Place, expr: Attribute) -> Iterator[Piece]:
    """`uuid4().hex`, `Kind(name).value`: harmless if what it is an attribute of is."""
    pieces = tuple(_pieces(place, expr.base))
    is_safe = bool(pieces) and all(piece.kind.is_safe for piece in pieces)
    yield Piece(Kind.GUARDED if is_safe else Kind.UNKNOWN, source=written(expr))


def _is_schema_object(place: Place, path: tuple[str, ...]) -> bool:
    """Whether a parameter is annotated as a table or column: its name was declared, not typed."""
    for parameter in place.function.parameters:
        if path == (parameter.name,):
            return names_schema_object(parameter.annotation)
    return False


def _of_item(place: Place, expr: Subscript) -> Iterator[Piece]:
    """A slice is what the base is, an item of a constant collection is constant."""
    if isinstance(expr.base, Pairs) and isinstance(expr.index, Const):
        for key, value in zip(expr.base.keys, expr.base.values, strict=True):
            if isinstance(key, Const) and key.value == expr.index.value:
                yield from _pieces(place, value)
                return
    if is_enum(place.project, place.project.resolve(place.module, expr.base)):
        yield Piece(Kind.GUARDED, source=written(expr))
        return
    values = tuple(_pieces(place, expr.base))
    is_text = isinstance(expr.index, Opaque) or _are_items_safe(expr, values)
    if values and (is_text or isinstance(expr.base, Call)):
        yield from values
    else:
        yield from _dynamic(place, expr)


def _are_items_safe(expr: Subscript, values: Sequence[Piece]) -> bool:
    """Whether what the base is holds for an item: not for what a tested dict has under a key."""
    is_keyed = _is_keyed(expr)
    return all(
        piece.kind.is_safe and not (is_keyed and piece.kind is Kind.GUARDED) for piece in values
    )


def _dynamic(place: Place, expr: Expr) -> Iterator[Piece]:
    """A value that depends on a name: a parameter's attribute is as much the caller's as itself."""
    path = path_of(expr)
    root = root_of(expr)
    known = () if root in ("", "self", "cls") else tuple(_of_root(place, expr, root))
    sent = [piece for piece in known if piece.kind in (Kind.PARAMETER, Kind.INPUT)]
    if sent:
        kind = declared_kind(place.module, path[-1]) if _is_parsed(sent) else Kind.UNKNOWN
        if kind.is_safe:
            yield Piece(kind, "0", source=written(expr))
            return
        yield from (replace(piece, source=written(expr)) for piece in sent)
        return
    listed = path[-1:] in (("value",), ("name",)) and len(path) > 1
    last = path[-2] if listed else "".join(path[-1:])
    is_of_enum = listed and bool(known) and all(piece.kind.is_safe for piece in known)
    yield Piece(Kind.GUARDED) if is_of_enum else by_convention(last, written(expr))


def _of_root(place: Place, expr: Expr, root: str) -> Iterator[Piece]:
    """What an item or attribute is taken from. A test of a dict lets its keys through; what stands
    under a key is still whatever was passed."""
    if _is_keyed(expr) and any(p.name == root for p in place.function.parameters):
        yield from of_parameter(place, root)
    else:
        yield from of_name(place, root)


def _is_keyed(expr: Expr) -> bool:
    """`filters["name"]`."""
    match expr:
        case Subscript(index=Const(value=str())):
            return True
        case _:
            return False


def _is_parsed(sent: list[Piece]) -> bool:
    """Whether the command line is what was sent."""
    return all(piece.source.endswith(("parse_args()", "parse_args(...)")) for piece in sent)
