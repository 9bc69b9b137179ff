"""Pieces of what calls give: conversions, templates filled in, joins, functions of the project."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from auditor.source import constants
from auditor.source.conventions import (
    DECLARED,
    HOLDS,
    INPUTS,
    KEEPS,
    NUMBERS,
    QUOTES,
    SPREADS,
    doubles_quotes,
    gives_digits,
    is_enum,
    strips_characters,
)
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Const,
    Expr,
    FunctionFacts,
    Keyword,
    Lambda,
    ModuleFacts,
    Name,
    Return,
    Subscript,
    dotted,
    walk,
)
from auditor.source.passing import arguments_of
from auditor.source.pieces import DEPTH, Kind, Passage, Piece, Place, root_of, written
from auditor.source.program import last_step
from auditor.source.project import position_of
from auditor.source.provenance_options import is_parsed
from auditor.source.strings import formatted, substituted

_SUBSTITUTES = frozenset({"substitute", "safe_substitute"})
_FILLS = _SUBSTITUTES | {"format", "format_map"}
_LOCALS = 3
"""Locals of locals that are looked into."""


def of_call(place: Place, call: Call) -> Iterator[Piece]:
    """The pieces of the text that a call gives."""
    name = dotted(call.func)
    kind = _kind_of(place, call, name)
    method = last_step(call.func)
    if kind is not None:
        yield Piece(kind, "0") if kind is Kind.NUMBER else Piece(kind, source=written(call))
    elif name in ("map", "filter") and len(call.args) > 1:
        yield from _mapped(place, call)
    elif method in HOLDS or name in SPREADS or (method in KEEPS and (name or method == "replace")):
        yield from _kept(place, call)
    elif isinstance(call.func, Attribute):
        yield from _of_method(place, call, call.func)
    else:
        yield from _returned(place, call)


def _kind_of(place: Place, call: Call, name: str) -> Kind | None:
    """What the call gives whatever it is given; None if that depends."""
    resolved = place.project.resolve(place.module, name)
    if name in NUMBERS or resolved in NUMBERS or gives_digits(call):
        return Kind.NUMBER
    if last_step(call.func) in QUOTES or doubles_quotes(call):
        return Kind.QUOTED
    if strips_characters(call) or is_enum(place.project, resolved) or _is_of_declared(call):
        return Kind.GUARDED
    if name in INPUTS or name.partition(".")[0] in INPUTS or is_parsed(call):
        return Kind.INPUT
    return None


def _is_of_declared(call: Call) -> bool:
    """`type_name(cls.__module__, cls.__name__)`: made of names that the source declares."""
    return bool(call.args) and all(
        isinstance(arg, Attribute) and arg.name in DECLARED for arg in call.args
    )


def _mapped(place: Place, call: Call) -> Iterator[Piece]:
    """`map(quote, names)` is `quote(names)` as far as its kind goes; `filter` keeps."""
    func, values = call.args[0], call.args[1]
    if dotted(call.func) == "filter":
        yield from place.pieces(values)
    elif isinstance(func, Lambda):
        yield from place.pieces(func.body)
    else:
        yield from of_call(place, Call(func, (values,), (), call.place, call.region, awaited=False))


def _kept(place: Place, call: Call) -> Iterator[Piece]:
    """Calls that give back what they are given, such as `str(x)`, `x.strip()`, `dedent(x)`."""
    func = call.func
    is_own = isinstance(func, Attribute) and root_of(func) not in place.module.imports
    if isinstance(func, Attribute) and is_own and dotted(func) not in SPREADS:
        yield from (
            _replaced(place, call, func) if func.name == "replace" else place.pieces(func.base)
        )
        return
    if not call.args:
        yield Piece(Kind.CONSTANT)
    for arg in call.args:
        yield from place.pieces(arg)


def _replaced(place: Place, call: Call, func: Attribute) -> Iterator[Piece]:
    """The text with what `.replace(marker, value)` puts into it; after it if no marker is seen."""
    marker = call.args[0].value if call.args and isinstance(call.args[0], Const) else None
    value = call.args[1] if len(call.args) > 1 else None
    is_put = False
    for piece in place.pieces(func.base):
        if not isinstance(marker, str) or not marker or marker not in piece.text:
            yield piece
            continue
        is_put = True
        first, *others = piece.text.split(marker)
        yield replace(piece, text=first)
        for other in others:
            yield from place.pieces(value)
            yield replace(piece, text=other)
    if not is_put:
        yield from place.pieces(value)


def _of_method(place: Place, call: Call, func: Attribute) -> Iterator[Piece]:
    template = template_of(place, func.base) if func.name in _FILLS else ""
    of_sql = isinstance(func.base, Call) and last_step(func.base.func) == "SQL"
    if func.name == "format" and of_sql:
        call = _as_literals(place, call)
    if template and func.name == "format_map":
        given = tuple(Keyword("", arg) for arg in call.args)
        yield from place.pieces(formatted(template, call._replace(args=(), keywords=given)))
    elif template:
        fill = formatted if func.name == "format" else substituted
        yield from place.pieces(fill(template, call))
    elif func.name == "join" and call.args:
        yield from place.pieces(call.args[0])
        yield from place.pieces(func.base)
    elif func.name == "values" and (call.args or call.keywords):
        yield from place.pieces(func.base)  # of a statement, which binds them; a dict's takes none
    elif func.name in ("format", "format_map", *_SUBSTITUTES, *KEEPS):
        yield from place.pieces(func.base)
        for value in (*call.args, *(keyword.value for keyword in call.keywords)):
            yield from place.pieces(value)
    elif func.name in ("get", "pop") and call.args:
        yield from place.pieces(Subscript(func.base, call.args[0]))
        for default in call.args[1:]:
            yield from place.pieces(default)
    else:
        yield from _returned(place, call)


def _as_literals(place: Place, call: Call) -> Call:
    """`SQL("... {name}").format(name=name)` of Psycopg: what is not SQL itself is written as a
    literal, or refused."""

    def written_as(expr: Expr) -> Expr:
        if _holds_sql(place, expr):
            return expr
        return Call(Name("Literal"), (expr,), (), call.place, call.region, awaited=False)

    return call._replace(
        args=tuple(written_as(arg) for arg in call.args),
        keywords=tuple(k._replace(value=written_as(k.value)) for k in call.keywords),
    )


def _holds_sql(place: Place, expr: Expr | None, depth: int = 0) -> bool:
    """Whether `SQL(...)` stands in an expression, also in what a local of it is set to."""
    for found in walk(expr):
        if isinstance(found, Call) and last_step(found.func) in ("SQL", "Composed"):
            return True
        if isinstance(found, Name) and depth < _LOCALS:
            events = place.function.events
            binds = [e for e in events if isinstance(e, Bind) and e.target == found.name]
            if any(_holds_sql(place, bind.value, depth + 1) for bind in binds):
                return True
    return False


def template_of(place: Place, expr: Expr | None) -> str:
    """The text of a template kept in a name or attribute; empty unless it is one constant."""
    if not isinstance(expr, (Name, Attribute, Call)) or place.depth >= DEPTH:
        return ""
    pieces = tuple(place.deeper(f"{written(expr)} (template)").pieces(expr))
    if not pieces or any(piece.kind is not Kind.CONSTANT for piece in pieces):
        return ""
    text = "".join(piece.text for piece in pieces)
    return text if re.search("[{%$]", text) else ""


def _returned(place: Place, call: Call) -> Iterator[Piece]:
    """What a function of the project returns, its parameters replaced by what is passed."""
    source = written(call)
    if place.was_at(source):
        yield Piece(Kind.UNKNOWN, source=source)
        return
    body = _lambda(place, call)
    if body is not None:
        names, value, there = body
        passed = dict(zip(names, call.args, strict=False))
        yield from _with_passed(place, call, there.deeper(source).pieces(value), passed)
        return
    found = _functions(place, call)
    if not found:
        yield Piece(Kind.UNKNOWN, source=source)
    for module, function in found:
        there = place.deeper(source).inside(module, function)
        if function.is_generator:
            yield Piece(Kind.UNKNOWN, source=source)
        passed = arguments_of(function, call)
        yield from _with_passed(place, call, returned_by(there), passed)


def _lambda(place: Place, call: Call) -> tuple[tuple[str, ...], Expr, Place] | None:
    """The parameters and the body of a lambda kept in a name of the module."""
    if not isinstance(call.func, Name):
        return None
    for found in constants.of_name(place.project, place.module, call.func.name):
        if isinstance(found.value, Lambda):
            there = place.inside(found.module, found.function)
            inner = replace(there, at=found.bind.at, region=found.value.region)
            return found.value.parameters, found.value.body, inner
    return None


def _functions(place: Place, call: Call) -> tuple[tuple[ModuleFacts, FunctionFacts], ...]:
    """The function that a call runs; what overrides it where itself it returns nothing."""
    targets = place.project.targets(place.function, position_of(place.function, call), call)
    own = [t.function for t in targets if t.function is not None and not t.override]
    if len(own) > 1:
        return ()
    if not own or not any(True for _ in _values(own[0].function)):
        own = [t.function for t in targets if t.function is not None and t.override]
    return tuple(
        (scope.module, scope.function)
        for scope in own
        if any(True for _ in _values(scope.function))
    )


def _values(function: FunctionFacts) -> Iterator[Return]:
    yield from (e for e in function.events if isinstance(e, Return) and e.value is not None)


def returned_by(there: Place) -> Iterator[Piece]:
    """The pieces of what the function of a place returns."""
    for event in _values(there.function):
        yield from there.used(event.at, event.region).pieces(event.value)


def of_property(place: Place, expr: Attribute) -> tuple[Piece, ...]:
    """The pieces of what a property of the own class returns; () if it is none."""
    name, program = f"{place.module.name}.{place.function.class_name}", place.project.program
    if dotted(expr.base) != "self" or place.was_at(written(expr)):
        return ()
    scope = program.method(name, expr.name)
    if scope is None or not any(
        dotted(decorator).endswith("property") for decorator in scope.function.decorators
    ):
        return ()
    there = place.deeper(written(expr)).inside(scope.module, scope.function)
    return tuple(returned_by(there))


def _with_passed(
    place: Place, call: Call, pieces: Iterator[Piece], passed: Mapping[str, Expr]
) -> Iterator[Piece]:
    """The pieces of a function's result, its parameters replaced by what the call passes."""
    source = written(call)
    passage = Passage(place.module.path, call.at, f"`{source}` is called with it")
    for piece in pieces:
        given = passed.get(piece.source.partition(".")[0].partition("[")[0])
        if given is None or piece.kind is not Kind.PARAMETER:
            yield piece
            continue
        for outer in place.deeper(source).pieces(given):
            is_safe = outer.kind.is_safe
            is_part = outer.is_of_object or not piece.is_passed_as_such
            way = (*outer.way, passage)
            yield outer if is_safe else replace(outer, way=way, is_of_object=is_part)
