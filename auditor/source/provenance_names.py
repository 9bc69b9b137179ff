"""Pieces of what names stand for: locals, parameters and what callers pass, constants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from auditor.source import constants
from auditor.source.constants import Definition
from auditor.source.conventions import (
    by_convention,
    is_enum,
    is_listed_by_type,
    is_number,
    names_schema_object,
)
from auditor.source.facts import (
    At,
    Attribute,
    Bind,
    Call,
    Expr,
    Name,
    dotted,
)
from auditor.source.guards import is_guarded
from auditor.source.passing import is_checked_by_call, passed_to
from auditor.source.pieces import DEPTH, Kind, Passage, Piece, Place
from auditor.source.provenance_options import option_kind
from auditor.source.provenance_reaching import adds, reaching

_PAIR = 2
_CALLERS = 40
"""Callers a parameter is followed to; one that has more is the caller's business."""
_ADDS = frozenset({"append", "extend", "insert", "add", "write", "writelines", "appendleft"})


def of_name(place: Place, name: str) -> Iterator[Piece]:
    """The pieces of what a name may be at the place."""
    is_parameter = any(p.name == name for p in place.function.parameters)
    if place.depth >= DEPTH:
        yield Piece(Kind.UNKNOWN, source=name)
    if place.was_at(name):
        return
    if is_guarded(place.project.shared, place.function, (name,)) or is_checked_by_call(
        place.project, place.module, place.function, name
    ):
        yield Piece(Kind.GUARDED, source=name)
        return
    binds, is_set = reaching(place.function, name, place.at, place.region)
    if is_parameter and not is_set:
        yield from of_parameter(place, name)
    further = place.deeper(name)
    for bind in binds:
        yield from of_bind(further if adds(bind) else _before(place, bind), bind)
    if binds:
        yield from _added(further, name)
    elif not is_parameter:
        yield from _of_global(further, name)


def _before(place: Place, bind: Bind) -> Place:
    """The place of a bind whose value may use what the name was before."""
    return place.deeper(f"{bind.target} at {bind.at.line}:{bind.at.column}")


def of_bind(place: Place, bind: Bind) -> Iterator[Piece]:
    """The pieces of the value that a bind gives its name."""
    if bind.kind in ("define", "delete", "except"):
        return
    if place.depth >= DEPTH:
        yield Piece(Kind.UNKNOWN, source=bind.target)
        return
    if is_number(bind.annotation) or _is_index(place, bind):
        yield Piece(Kind.NUMBER, "0")
        return
    passage = Passage(place.module.path, bind.at, f"`{bind.target}` is built here")
    is_key = _is_key(place, bind)
    for piece in place.used(bind.at, bind.region).pieces(_own_part(place, bind)):
        if is_key and piece.kind is Kind.PARAMETER:
            piece = replace(piece, kind=Kind.UNKNOWN, source=f"{piece.source}.items()")  # noqa: PLW2901
        yield piece if piece.kind.is_safe else replace(piece, way=(*piece.way, passage))


def _is_key(place: Place, bind: Bind) -> bool:
    """Whether the name is a key of what a parameter hands in, `for key, value in wanted.items()`:
    a name most often, which the callers write."""
    value, target = bind.value, place.function.regions[bind.region].target
    if bind.kind != "loop" or target[:1] != (bind.target,) or not isinstance(value, Call):
        return False
    func = value.func
    return isinstance(func, Attribute) and func.name == "items" and len(target) == _PAIR


def _is_index(place: Place, bind: Bind) -> bool:
    """Whether the name counts the turns of a loop: `for n, row in enumerate(rows)`."""
    counted = isinstance(bind.value, Call) and dotted(bind.value.func) == "enumerate"
    target = place.function.regions[bind.region].target
    return counted and bind.kind == "loop" and target[:1] == (bind.target,)


def _own_part(place: Place, bind: Bind) -> Expr | None:
    """What the name gets of `for key, mark in zip(keys, marks)`; else the whole value."""
    value, target = bind.value, place.function.regions[bind.region].target
    if bind.kind != "loop" or not isinstance(value, Call) or dotted(value.func) != "zip":
        return value
    is_paired = len(target) == len(value.args) and bind.target in target
    return value.args[target.index(bind.target)] if is_paired else value


def _added(place: Place, name: str) -> Iterator[Piece]:
    """What `name.append(x)`, `.extend(x)`, `.write(x)` and `name[k] = x` put in."""
    for event in place.function.events:
        if isinstance(event, Call) and isinstance(event.func, Attribute):
            base, method = event.func.base, event.func.name
            if method in _ADDS and isinstance(base, Name) and base.name == name:
                there = place.used(event.at, event.region)
                yield from there.pieces(event.args[-1] if event.args else None)
        elif isinstance(event, Bind) and event.target == f"{name}[]":
            yield from of_bind(place, event)


def added_to_attribute(place: Place, expr: Attribute) -> Iterator[Piece]:
    """What the methods of the own class put into `self.name` with `append` and its kin."""
    if dotted(expr.base) != "self":
        return
    own = place.function.class_name
    for function in (f for f in place.module.functions if own and f.class_name == own):
        for event in function.events:
            func = event.func if isinstance(event, Call) else None
            if not isinstance(event, Call) or not isinstance(func, Attribute):
                continue
            if func.name in _ADDS and dotted(func.base) == f"self.{expr.name}" and event.args:
                there = place.inside(place.module, function).used(event.at, event.region)
                yield from there.pieces(event.args[-1])


def of_parameter(place: Place, name: str) -> Iterator[Piece]:
    """What the callers in the project pass; the parameter itself where none is known, or where what
    they pass could be anything."""
    parameter = next(p for p in place.function.parameters if p.name == name)
    if is_number(parameter.annotation):
        yield Piece(Kind.NUMBER, "0")
        return
    listed = is_listed_by_type(place.project, place.module, parameter.annotation)
    if listed or option_kind(place.function.decorators, name).is_safe:
        yield Piece(Kind.GUARDED, source=name)
        return
    if name in ("self", "cls"):
        yield Piece(Kind.UNKNOWN, source=name)
        return
    groups = tuple(_passed(place.deeper(name), name))
    passed = tuple(piece for group in groups for piece in group)
    if passed and all(piece.kind.is_safe for piece in passed):
        yield from passed
        return
    is_listed = any(group and all(p.kind.is_safe for p in group) for group in groups)
    is_own = is_listed or names_schema_object(parameter.annotation)
    found = _unlisted(place, name, {piece.kind for piece in passed}, is_own=is_own)
    yield replace(found, is_of_object=_are_of_objects(passed))


def _are_of_objects(passed: Sequence[Piece]) -> bool:
    """Whether callers pass names that objects and settings have, and none passes its own."""
    sent = [piece for piece in passed if piece.kind is Kind.PARAMETER]
    return bool(sent) and not any(piece.is_passed_as_such for piece in sent)


def _unlisted(place: Place, name: str, kinds: set[Kind], *, is_own: bool) -> Piece:
    """The parameter of which nothing good is known. `is_own` tells that it is the program's own: an
    object that declares a table, or given as a constant by one of the callers."""
    function = place.function
    start = At(function.at.line, function.at.column, function.at.line, function.at.column)
    note = f"`{name}` comes from the caller of `{function.qualname}`"
    is_private = function.name.startswith("_") and function.name != "__init__"
    is_own = (is_own or (is_private and bool(kinds))) and Kind.PARAMETER not in kinds
    kind = Kind.INPUT if Kind.INPUT in kinds else Kind.UNKNOWN if is_own else Kind.PARAMETER
    return Piece(kind, source=name, way=(Passage(place.module.path, start, note),))


def _passed(place: Place, name: str) -> Iterator[tuple[Piece, ...]]:
    """What is passed for a parameter by each call of the project that runs this function; something
    unknown if there are too many, or one that cannot be read. Defaults count only if all that is
    passed is known."""
    if len(place.project.program.calls.get(place.function.name, ())) > _CALLERS:
        yield (Piece(Kind.UNKNOWN, source=name),)
        return
    for scope, call, given in passed_to(place.project, place.function, name, at_most=_CALLERS):
        there = place.inside(scope.module, scope.function)
        pieces = there.used(call.at, call.region).pieces(given)
        is_attribute = isinstance(given, Attribute)
        yield tuple(replace(p, is_of_object=True) if is_attribute else p for p in pieces)


def _of_global(place: Place, name: str) -> Iterator[Piece]:
    """A constant of this module or of one it is imported from, or a name of an outer function."""
    if is_enum(place.project, place.project.resolve(place.module, name)):
        yield Piece(Kind.GUARDED, source=name)
        return
    found = constants.of_name(place.project, place.module, name)
    if found and name.isupper():
        yield from (_settled(piece) for piece in defined(place, found))
        return
    if found:
        yield from defined(place, found)
        return
    outer = _enclosing(place)
    if outer is not None:
        yield from of_name(outer, name)
    else:
        yield by_convention(name, name)


def _settled(piece: Piece) -> Piece:
    """A setting of the module, written as a constant: where it is read from the environment, it is
    text that whoever runs the program chose, not what a user sends."""
    return replace(piece, kind=Kind.UNKNOWN) if piece.kind is Kind.INPUT else piece


def defined(place: Place, found: Iterable[Definition]) -> Iterator[Piece]:
    """The pieces of the values that definitions give."""
    for definition in found:
        yield from of_bind(place.inside(definition.module, definition.function), definition.bind)


def _enclosing(place: Place) -> Place | None:
    outer = place.function.qualname.rpartition(".<locals>.")[0]
    for function in place.module.functions:
        if outer and function.qualname == outer:
            return place.inside(place.module, function)
    return None
