"""Strings built from parts: `%`, `str.format`, f-strings, `+` and `join`, all to one `Text`.

A hole whose conversion makes a number of it (`%d`, `{:.2f}`) is `Arithmetic("%d", None, value)`:
whatever the value is, digits reach the text.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence

from auditor.source.facts import (
    Arithmetic,
    Attribute,
    Call,
    Const,
    Expr,
    Items,
    Name,
    Opaque,
    Pairs,
    Subscript,
    Text,
    dotted,
)

_PERCENT = re.compile(
    r"%(?:\((?P<key>[^)]*)\))?[-#0 +]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?P<kind>[a-zA-Z%])"
)
_NUMERIC = frozenset("diufFeEgGxXobn")

Part = str | Expr


def concatenated(items: Sequence[Expr], place: int) -> Text | None:
    """The text of `a + b + c`; None if no item is known to be a string."""
    if not any(is_text(item) for item in items):
        return None
    parts: list[Part] = []
    for item in items:
        if isinstance(item, Text) and item.how != "join":
            parts.extend(item.parts)
        elif isinstance(item, Const) and isinstance(item.value, str):
            parts.append(item.value)
        else:
            parts.append(item)
    return Text(tuple(parts), "concat", place)


def terms_of(expr: Arithmetic) -> tuple[Expr, ...]:
    """`a`, `b`, `c` of `a + b + c`; not recursive, so that any number of terms will do."""
    terms: list[Expr] = []
    rest: Expr | None = expr
    while isinstance(rest, Arithmetic) and rest.operator == expr.operator:
        terms.append(rest.right)
        rest = rest.left
    return tuple(reversed(terms if rest is None else [*terms, rest]))


def is_text(expr: Expr) -> bool:
    """Whether the expression is a string for certain."""
    return isinstance(expr, Text) or (isinstance(expr, Const) and isinstance(expr.value, str))


def percent(template: Expr, value: Expr, place: int) -> Text:
    """The text of `template % value`; `template` is a constant string or a Text."""
    if not isinstance(template, Const):
        return Text((template, value), "percent", place)
    holes = _percent_holes(value)
    parts: list[Part] = []
    position = used = 0
    source = str(template.value)
    for match in _PERCENT.finditer(source):
        parts.append(source[position : match.start()])
        position = match.end()
        if match["kind"] == "%":
            parts.append("%")
            continue
        if match["key"] is not None:
            hole = _keyed(value, match["key"])
        else:
            hole = holes[used] if used < len(holes) else Opaque((value,))
            used += 1
        parts.append(_converted(hole, match["kind"]))
    parts.append(source[position:])
    return Text(_tidy(parts), "percent", place)


def _percent_holes(value: Expr) -> tuple[Expr, ...]:
    if isinstance(value, Items) and value.kind == "tuple":
        return value.items
    return (value,)


def _keyed(value: Expr, key: str) -> Expr:
    if isinstance(value, Pairs):
        for name, found in zip(value.keys, value.values, strict=True):
            if isinstance(name, Const) and name.value == key:
                return found
    if isinstance(value, Call) and dotted(value.func) in ("locals", "vars", "globals"):
        return Name(key)
    if isinstance(value, (Name, Attribute)):
        return Subscript(value, Const(key))
    return Opaque((value,))


def formatted(template: str, call: Call) -> Text:
    """The text of `template.format(...)`; a template that `str.format` would refuse is one hole."""
    named = {keyword.name: keyword.value for keyword in call.keywords}
    parts: list[Part] = []
    automatic = 0
    try:
        for literal, name, spec, _ in string.Formatter().parse(template):
            parts.append(literal)
            if name is None:
                continue
            key = re.split(r"[.\[]", name, maxsplit=1)[0]
            if not key:
                key, automatic = str(automatic), automatic + 1
            parts.append(_converted(_argument(call, named, key), (spec or "s")[-1:]))
    except ValueError:
        parts = [template, Opaque((*call.args, *named.values()))]
    return Text(_tidy(parts), "format", call.place)


def _argument(call: Call, named: Mapping[str, Expr], key: str) -> Expr:
    if key.isdigit() and int(key) < len(call.args):
        return call.args[int(key)]
    if key not in named and "" in named:  # `**locals()`, `**values`
        return _keyed(named[""], key)
    return named.get(key, Opaque((*call.args, *named.values())))


def substituted(template: str, call: Call) -> Text:
    """The text of `Template(template).substitute(...)`."""
    named = {keyword.name: keyword.value for keyword in call.keywords}
    parts: list[Part] = []
    position = 0
    for match in string.Template.pattern.finditer(template):
        parts.append(template[position : match.start()])
        position = match.end()
        key = match["named"] or match["braced"]
        if key is not None and key not in named and call.args:
            parts.append(_keyed(call.args[0], key))
        else:
            parts.append("$" if key is None else _argument(call, named, key))
    parts.append(template[position:])
    return Text(_tidy(parts), "format", call.place)


def hole_of(value: Expr, spec: str) -> Expr:
    """A hole of an f-string with its format specification (empty if none is written)."""
    return _converted(value, spec[-1:])


def _converted(hole: Expr, kind: str) -> Expr:
    return Arithmetic("%d", None, hole) if kind and kind in _NUMERIC else hole


def _tidy(parts: Sequence[Part]) -> tuple[Part, ...]:
    return tuple(part for part in parts if part != "")
