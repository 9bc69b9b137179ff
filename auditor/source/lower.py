"""Expressions of the syntax tree, lowered to facts. Reads, tests and calls are emitted on the way.

One function a node type, found through a table; a type that is not in the table becomes `Opaque`
with its children.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from auditor.source.build import FunctionBuilder, place_of
from auditor.source.facts import (
    Arithmetic,
    Attribute,
    Bind,
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
    Test,
    Text,
    Yield,
)
from auditor.source.strings import concatenated, formatted, hole_of, is_text, percent

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Pow: "**", ast.LShift: "<<", ast.RShift: ">>", ast.BitOr: "|", ast.BitAnd: "&",
    ast.BitXor: "^", ast.MatMult: "@", ast.UAdd: "+", ast.USub: "-", ast.Invert: "~",
}  # fmt: skip
_LINKS = frozenset((ast.Attribute, ast.Subscript))
_new = tuple.__new__
"""Makes a fact of its fields, twice as fast as its class does: for the most frequent ones."""
_COMPREHENSIONS = {
    ast.ListComp: "list", ast.SetComp: "set", ast.DictComp: "dict", ast.GeneratorExp: "generator",
}  # fmt: skip


def lower(to: FunctionBuilder, node: ast.AST) -> Expr:
    """The expression `node`, with its events emitted into `to` in order of evaluation."""
    return _LOWERINGS.get(type(node), _opaque)(to, node)


def target_of(node: ast.AST) -> str:
    """The dotted target of an assignment: `a.b`, `a[]`; empty if it is not rooted in a name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Starred):
        return target_of(node.value)
    if isinstance(node, (ast.Attribute, ast.Subscript)):
        base = target_of(node.value)
        suffix = f".{node.attr}" if isinstance(node, ast.Attribute) else "[]"
        return base + suffix if base else ""
    return ""


def names_bound(node: ast.AST) -> tuple[str, ...]:
    """All targets of an assignment, tuples taken apart."""
    if isinstance(node, (ast.Tuple, ast.List)):
        return tuple(name for item in node.elts for name in names_bound(item))
    target = target_of(node)
    return (target,) if target else ()


def _constant(to: FunctionBuilder, node: Any) -> Expr:
    value = node.value
    if value is None or isinstance(value, (str, bytes, int, float)):
        return to.once.constant(value)
    return Opaque(())


def _name(to: FunctionBuilder, node: Any) -> Expr:
    to.read((node.id,), node)
    return _new(Name, (node.id,))


def _chain(to: FunctionBuilder, node: Any) -> Expr:
    """A chain of attributes and items: one Read when it is rooted in a name."""
    links: list[Any] = []
    inner = node
    while type(inner) in _LINKS:
        links.append(inner)
        inner = inner.value
    links.reverse()
    if type(inner) is not ast.Name:
        expr = lower(to, inner)
        for link in links:
            expr = _link(to, expr, link)
        return expr
    steps = [inner.id]
    expr = _new(Name, (inner.id,))
    for count, link in enumerate(links):
        if type(link) is ast.Attribute:
            steps.append(link.attr)
            expr = _new(Attribute, (expr, link.attr))
        elif isinstance(link.slice, ast.Constant) and isinstance(link.slice.value, str):
            steps.append(f"[{link.slice.value}]")
            expr = _new(Subscript, (expr, to.once.constant(link.slice.value)))
        else:
            to.read(tuple(steps), links[count - 1] if count else inner)
            for rest in links[count:]:
                expr = _link(to, expr, rest)
            return expr
    to.read(tuple(steps), node)
    return expr


def _link(to: FunctionBuilder, base: Expr, link: Any) -> Expr:
    if type(link) is ast.Attribute:
        return _new(Attribute, (base, link.attr))
    return Subscript(base, lower(to, link.slice))


def _call(to: FunctionBuilder, node: Any, *, awaited: bool = False) -> Expr:
    func = lower(to, node.func)
    args = tuple([lower(to, arg) for arg in node.args])
    keywords = tuple([Keyword(k.arg or "", lower(to, k.value)) for k in node.keywords])
    call = _new(Call, (func, args, keywords, place_of(node), to.region, awaited))
    if type(func) is Attribute and type(func.base) is Const:
        if func.name == "format" and isinstance(func.base.value, str):
            return formatted(func.base.value, call)
        if func.name == "join" and isinstance(func.base.value, str) and len(args) == 1:
            return Text((func.base.value, args[0]), "join", call.place)
    to.emit(call)
    return call


def _await(to: FunctionBuilder, node: Any) -> Expr:
    if isinstance(node.value, ast.Call):
        return _call(to, node.value, awaited=True)
    return lower(to, node.value)


def _yield(to: FunctionBuilder, node: Any) -> Expr:
    value = None if node.value is None else lower(to, node.value)
    to.is_generator = True
    to.emit(Yield(value, isinstance(node, ast.YieldFrom), place_of(node), to.region))
    return Opaque(() if value is None else (value,))


def _binary(to: FunctionBuilder, node: Any) -> Expr:
    if isinstance(node.op, ast.Add):
        return _sum(to, node)
    left, right = lower(to, node.left), lower(to, node.right)
    if isinstance(node.op, ast.Mod) and is_text(left):
        return percent(left, right, place_of(node))
    return Arithmetic(_OPERATORS[type(node.op)], left, right)


def _sum(to: FunctionBuilder, node: Any) -> Expr:
    """`a + b + c`, without recursion along the left side."""
    nodes = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        nodes.append(node)
        node = node.left
    items = [lower(to, node)]
    items.extend(lower(to, found.right) for found in reversed(nodes))
    text = concatenated(items, place_of(nodes[0]))
    if text is not None:
        return text
    expr = items[0]
    for item in items[1:]:
        expr = Arithmetic("+", expr, item)
    return expr


def _unary(to: FunctionBuilder, node: Any) -> Expr:
    operand = lower(to, node.operand)
    if isinstance(node.op, ast.Not):
        return Not(operand, place_of(node))
    match operand:
        case Const(value=int() | float() as number) if isinstance(node.op, ast.USub):
            return Const(-number)
    return Arithmetic(_OPERATORS[type(node.op)], None, operand)


def _compare(to: FunctionBuilder, node: Any) -> Expr:
    left = lower(to, node.left)
    rights = tuple(lower(to, right) for right in node.comparators)
    return Compare(left, tuple(_OPERATORS[type(op)] for op in node.ops), rights, place_of(node))


def _logic(to: FunctionBuilder, node: Any) -> Expr:
    items: list[Expr] = []
    for value in node.values:
        items.append(lower(to, value))
        if value is not node.values[-1]:
            to.emit(Test(items[-1], "logic", place_of(value), to.region))
    return Logic("and" if isinstance(node.op, ast.And) else "or", tuple(items), place_of(node))


def _choice(to: FunctionBuilder, node: Any) -> Expr:
    test = lower(to, node.test)
    to.emit(Test(test, "choice", place_of(node.test), to.region))
    return Choice(test, lower(to, node.body), lower(to, node.orelse))


def _items(to: FunctionBuilder, node: Any) -> Expr:
    kind = type(node).__name__.lower()
    return Items(kind, tuple(lower(to, item) for item in node.elts))


def _pairs(to: FunctionBuilder, node: Any) -> Expr:
    keys = tuple(None if key is None else lower(to, key) for key in node.keys)
    return Pairs(keys, tuple(lower(to, value) for value in node.values))


def _starred(to: FunctionBuilder, node: Any) -> Expr:
    return Starred(lower(to, node.value))


def _joined(to: FunctionBuilder, node: Any) -> Expr:
    parts: list[str | Expr] = []
    for value in node.values:
        if isinstance(value, ast.Constant):
            parts.append(str(value.value))
            continue
        spec = value.format_spec.values if value.format_spec else []
        last = spec[-1] if spec else None
        text = str(last.value) if isinstance(last, ast.Constant) else ""
        parts.append(hole_of(lower(to, value.value), text))
    return Text(tuple(parts), "f-string", place_of(node))


def _named(to: FunctionBuilder, node: Any) -> Expr:
    value = lower(to, node.value)
    to.emit(Bind(node.target.id, value, "assign", place_of(node), to.region))
    return value


def _lambda(to: FunctionBuilder, node: Any) -> Expr:
    arguments = node.args
    names = tuple(a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs))
    with to.inside("lambda", place_of(node)) as region:
        body = lower(to, node.body)
    return Lambda(names, body, region)


def _comprehension(to: FunctionBuilder, node: Any) -> Expr:
    key, element, region = _generators(to, node, 0)
    return Comprehension(_COMPREHENSIONS[type(node)], key, element, region)


def _generators(to: FunctionBuilder, node: Any, depth: int) -> tuple[Expr | None, Expr, int]:
    generator = node.generators[depth]
    iterable = lower(to, generator.iter)
    target = names_bound(generator.target)
    with to.inside(
        "comprehension",
        place_of(node),
        target=target,
        expr=iterable,
        is_async=bool(generator.is_async),
    ) as region:
        for name in target:
            to.emit(Bind(name, iterable, "loop", place_of(generator.target), region))
        for condition in generator.ifs:
            test = lower(to, condition)
            to.emit(Test(test, "filter", place_of(condition), region))
        if depth + 1 < len(node.generators):
            key, element, _ = _generators(to, node, depth + 1)
        elif isinstance(node, ast.DictComp):
            key, element = lower(to, node.key), lower(to, node.value)
        else:
            key, element = None, lower(to, node.elt)
    return key, element, region


def _opaque(to: FunctionBuilder, node: ast.AST) -> Expr:
    return Opaque(tuple(lower(to, child) for child in ast.iter_child_nodes(node)))


def _slice(to: FunctionBuilder, node: ast.Slice) -> Expr:
    """`rows[:10]` as `rows[0:10]`, so that it is not taken for `rows[10:]`."""
    is_from_start = node.lower is None and node.upper is not None
    parts = tuple(lower(to, child) for child in ast.iter_child_nodes(node))
    return Opaque((Const(0), *parts) if is_from_start else parts)


_LOWERINGS: dict[type[ast.AST], Callable[[FunctionBuilder, Any], Expr]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _chain,
    ast.Subscript: _chain,
    ast.Slice: _slice,
    ast.Call: _call,
    ast.Await: _await,
    ast.Yield: _yield,
    ast.YieldFrom: _yield,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.BoolOp: _logic,
    ast.IfExp: _choice,
    ast.Tuple: _items,
    ast.List: _items,
    ast.Set: _items,
    ast.Dict: _pairs,
    ast.Starred: _starred,
    ast.JoinedStr: _joined,
    ast.NamedExpr: _named,
    ast.Lambda: _lambda,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.DictComp: _comprehension,
    ast.GeneratorExp: _comprehension,
}
