"""Where the text of a statement comes from: every hole of a built string is told by kind.

    f"SELECT {cols} FROM t WHERE id = {id}"      Piece(constant), Piece(parameter, "id"), ...

A text is followed through locals (also `+=`), module and class constants, imported constants, loops
over constants, look-ups in constant dicts, conditional expressions and the returned values of
functions of the project. What cannot be followed is `unknown`; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from auditor.source import constants
from auditor.source.constants import Definition
from auditor.source.conventions import (
    INPUTS,
    KEEPS,
    NUMBERS,
    QUOTES,
    SPREADS,
    by_convention,
    doubles_quotes,
    gives_digits,
    is_number,
    names_schema_object,
)
from auditor.source.facts import (
    Arithmetic,
    At,
    Attribute,
    Bind,
    Call,
    Choice,
    Comprehension,
    Const,
    Expr,
    Items,
    Logic,
    Name,
    Opaque,
    Pairs,
    Return,
    Starred,
    Subscript,
    Text,
    dotted,
    path_of,
)
from auditor.source.guards import is_guarded
from auditor.source.passing import arguments_of, may_be_as_passed, passed_to
from auditor.source.pieces import (
    DEPTH,
    Budget,
    Kind,
    Passage,
    Piece,
    Place,
    kind_of_constant,
    root_of,
    written,
)
from auditor.source.strings import formatted, percent, terms_of

_PIECES = 400
_CALLERS = 40
"""Callers a parameter is followed to; one that has more is the caller's business."""


def pieces_of(place: Place, expr: Expr | None) -> tuple[Piece, ...]:
    """The pieces of the text that `expr` gives, in order; alternatives follow one another."""
    pieces: list[Piece] = []
    for piece in _pieces(replace(place, budget=Budget()), expr):
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
        case Text(parts=parts):
            for part in parts:
                yield from (
                    [Piece(Kind.CONSTANT, part)] if isinstance(part, str) else _pieces(place, part)
                )
        case Name(name=name):
            yield from _of_name(place, name)
        case Attribute() | Subscript():
            yield from _of_chain(place, expr)
        case Call():
            yield from _of_call(place, expr)
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
        case Starred(value=inner) | Comprehension(element=inner):
            yield from _pieces(place, inner)
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
        case Arithmetic(operator="%", left=left, right=right) if template := _template(place, left):
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


def _of_name(place: Place, name: str) -> Iterator[Piece]:
    is_parameter = any(p.name == name for p in place.function.parameters)
    if place.depth >= DEPTH:
        yield Piece(Kind.UNKNOWN, source=name)
    if place.was_at(name):
        yield from _of_parameter(place, name) if is_parameter and place.depth < DEPTH else ()
        return
    if is_guarded(place.function, name):
        yield Piece(Kind.GUARDED, source=name)
        return
    binds = [e for e in place.function.events if isinstance(e, Bind) and e.target == name]
    further = place.deeper(name)
    if binds:
        for bind in binds:
            yield from _of_bind(further, bind)
        yield from _added(further, name)
    if is_parameter and may_be_as_passed(place.function, binds):
        yield from _of_parameter(place, name)
    elif not binds:
        yield from _of_global(further, name)


def _of_bind(place: Place, bind: Bind) -> Iterator[Piece]:
    if bind.kind in ("define", "delete", "except"):
        return
    if _is_index(place, bind):
        yield Piece(Kind.NUMBER, "0")
        return
    passage = Passage(place.module.path, bind.at, f"`{bind.target}` is built here")
    for piece in _pieces(place, bind.value):
        yield piece if piece.kind.is_safe else replace(piece, way=(*piece.way, passage))


def _is_index(place: Place, bind: Bind) -> bool:
    """Whether the name counts the turns of a loop: `for n, row in enumerate(rows)`."""
    counted = isinstance(bind.value, Call) and dotted(bind.value.func) == "enumerate"
    target = place.function.regions[bind.region].target
    return counted and bind.kind == "loop" and target[:1] == (bind.target,)


def _added(place: Place, name: str) -> Iterator[Piece]:
    """What `name.append(x)`, `.extend(x)`, `.insert(i, x)` and `name[k] = x` put in."""
    for event in place.function.events:
        if isinstance(event, Call) and isinstance(event.func, Attribute):
            base, method = event.func.base, event.func.name
            adds = method in ("append", "extend", "insert", "add")
            if adds and isinstance(base, Name) and base.name == name:
                yield from _pieces(place, event.args[-1] if event.args else None)
        elif isinstance(event, Bind) and event.target == f"{name}[]":
            yield from _of_bind(place, event)


def _of_parameter(place: Place, name: str) -> Iterator[Piece]:
    """What the callers in the project pass; the parameter itself where none is known, or where what
    they pass could be anything."""
    parameter = next(p for p in place.function.parameters if p.name == name)
    if is_number(parameter.annotation):
        yield Piece(Kind.NUMBER, "0")
        return
    if name in ("self", "cls"):
        yield Piece(Kind.UNKNOWN, source=name)
        return
    passed = () if place.was_at(name) else tuple(_passed(place.deeper(name), name))
    if passed and all(piece.kind.is_safe for piece in passed):
        yield from passed
        return
    at = place.function.at
    start = At(at.line, at.column, at.line, at.column)
    passage = Passage(place.module.path, start, f"`{name}` comes from the caller of "
                      f"`{place.function.qualname}`")  # fmt: skip
    kinds = {piece.kind for piece in passed}
    is_own = place.function.name.startswith("_") and bool(kinds) and Kind.PARAMETER not in kinds
    kind = Kind.INPUT if Kind.INPUT in kinds else Kind.UNKNOWN if is_own else Kind.PARAMETER
    yield Piece(kind, source=name, way=(passage,))


def _passed(place: Place, name: str) -> Iterator[Piece]:
    """What is passed for a parameter by the calls of the project that run this function; something
    unknown if there are too many, or one that cannot be read."""
    if len(place.project.program.calls.get(place.function.name, ())) > _CALLERS:
        yield Piece(Kind.UNKNOWN, source=name)
        return
    for scope, _, given in passed_to(place.project, place.function, name, at_most=_CALLERS):
        yield from _pieces(replace(place, module=scope.module, function=scope.function), given)


def _of_global(place: Place, name: str) -> Iterator[Piece]:
    """A constant of this module or of one it is imported from, or a name of an outer function."""
    found = constants.of_name(place.project, place.module, name)
    if found:
        yield from _defined(place, found)
        return
    outer = _enclosing(place)
    if outer is not None:
        yield from _of_name(outer, name)
    else:
        yield by_convention(name, name)


def _defined(place: Place, found: Iterable[Definition]) -> Iterator[Piece]:
    for definition in found:
        there = replace(place, module=definition.module, function=definition.function)
        yield from _of_bind(there, definition.bind)


def _enclosing(place: Place) -> Place | None:
    outer = place.function.qualname.rpartition(".<locals>.")[0]
    for function in place.module.functions:
        if outer and function.qualname == outer:
            return replace(place, function=function)
    return None


def _of_chain(place: Place, expr: Attribute | Subscript) -> Iterator[Piece]:
    """Attributes and items: constants of classes, items of constants, input, else unknown."""
    if INPUTS & {root_of(expr), dotted(expr.base), dotted(getattr(expr.base, "base", None))}:
        yield Piece(Kind.INPUT, source=written(expr))
    elif isinstance(expr, Attribute) and expr.name in ("__tablename__", "__name__", "__table__"):
        yield Piece(Kind.CONSTANT)
    elif isinstance(expr, Attribute):
        yield from _of_attribute(place, expr)
    elif isinstance(expr.base, (Name, Attribute, Pairs, Items)):
        yield from _of_item(place, expr)
    else:
        yield Piece(Kind.UNKNOWN, source=written(expr))


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
        yield from _defined(place.deeper(name), found)
    else:
        yield from _dynamic(place, expr)


def _is_schema_object(place: Place, path: tuple[str, ...]) -> bool:
    """Whether a parameter is annotated as a table or column: its name was declared, not typed."""
    for parameter in place.function.parameters:
        if path == (parameter.name,):
            return names_schema_object(parameter.annotation)
    return False


def _of_item(place: Place, expr: Subscript) -> Iterator[Piece]:
    """A slice is what the base is, an item of a constant collection is constant."""
    values = tuple(_pieces(place, expr.base))
    if values and (isinstance(expr.index, Opaque) or all(p.kind.is_safe for p in values)):
        yield from values
    else:
        yield from _dynamic(place, expr)


def _dynamic(place: Place, expr: Expr) -> Iterator[Piece]:
    """A value that depends on a name: a parameter's attribute is as much the caller's as itself."""
    path = path_of(expr)
    root = root_of(expr)
    known = () if root in ("", "self", "cls") else tuple(_of_name(place, root))
    sent = [piece for piece in known if piece.kind in (Kind.PARAMETER, Kind.INPUT)]
    if sent:
        yield from (replace(piece, source=written(expr)) for piece in sent)
        return
    last = (
        path[-2] if path[-1:] in (("value",), ("name",)) and len(path) > 1 else "".join(path[-1:])
    )
    yield by_convention(last, written(expr))


def _of_call(place: Place, call: Call) -> Iterator[Piece]:
    name = dotted(call.func)
    resolved = place.project.resolve(place.module, name)
    method = call.func.name if isinstance(call.func, Attribute) else name
    if name in NUMBERS or resolved in NUMBERS or gives_digits(call):
        yield Piece(Kind.NUMBER, "0")
    elif method in QUOTES or doubles_quotes(call):
        yield Piece(Kind.QUOTED, source=written(call))
    elif name in INPUTS or name.partition(".")[0] in INPUTS:
        yield Piece(Kind.INPUT, source=written(call))
    elif name in SPREADS or (method in KEEPS and name):
        yield from _kept(place, call)
    elif isinstance(call.func, Attribute):
        yield from _of_method(place, call)
    else:
        yield from _returned(place, call)


def _kept(place: Place, call: Call) -> Iterator[Piece]:
    """Calls that give back what they are given, such as `str(x)` and `x.strip()`."""
    if isinstance(call.func, Attribute) and dotted(call.func) not in SPREADS:
        yield from _pieces(place, call.func.base)
    for arg in call.args:
        yield from _pieces(place, arg)


def _of_method(place: Place, call: Call) -> Iterator[Piece]:
    func = call.func
    if isinstance(func, Attribute) and func.name == "format":
        template = _template(place, func.base)
        if template:
            yield from _pieces(place, formatted(template, call))
            return
    if isinstance(func, Attribute) and func.name in ("join", "format", *KEEPS):
        yield from _pieces(place, func.base)
        for value in (*call.args, *(keyword.value for keyword in call.keywords)):
            yield from _pieces(place, value)
    elif isinstance(func, Attribute) and func.name in ("get", "pop") and call.args:
        yield from _of_item(place, Subscript(func.base, call.args[0]))
        for default in call.args[1:]:
            yield from _pieces(place, default)
    else:
        yield from _returned(place, call)


def _template(place: Place, expr: Expr | None) -> str:
    """The text of a template kept in a name or attribute; empty unless it is one constant."""
    if not isinstance(expr, (Name, Attribute)) or place.depth >= DEPTH:
        return ""
    pieces = tuple(_pieces(place.deeper(f"{written(expr)} (template)"), expr))
    is_one = len(pieces) == 1 and pieces[0].kind is Kind.CONSTANT
    return pieces[0].text if is_one and ("{" in pieces[0].text or "%" in pieces[0].text) else ""


def _returned(place: Place, call: Call) -> Iterator[Piece]:
    """What a function of the project returns, its parameters replaced by what is passed."""
    target = place.project.callee(place.module, place.function, call)
    source = written(call)
    if target is None or place.was_at(source):
        yield Piece(Kind.UNKNOWN, source=source)
        return
    module, function = target
    there = replace(place.deeper(source), module=module, function=function)
    values = [e.value for e in function.events if isinstance(e, Return) and e.value is not None]
    if not values or function.is_generator:
        yield Piece(Kind.UNKNOWN, source=source)
    passed = arguments_of(function, call)
    for value in values:
        for piece in _pieces(there, value):
            given = passed.get(piece.source) if piece.kind is Kind.PARAMETER else None
            if given is None:
                yield piece
                continue
            passage = Passage(place.module.path, call.at, f"`{source}` is called with it")
            for outer in _pieces(place.deeper(source), given):
                way = (*outer.way, passage)
                yield outer if outer.kind.is_safe else replace(outer, way=way)
