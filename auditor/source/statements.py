"""Statements of the syntax tree, turned into regions and events. One function a node type.

Functions found on the way are put on `ModuleBuilder.pending` and built by `auditor.source.parse`,
so that nesting of functions does not nest our own calls.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from auditor.source.build import FunctionBuilder, Once, at_of, place_of
from auditor.source.expressions import packed
from auditor.source.facts import (
    Arithmetic,
    Bind,
    ClassFacts,
    Expr,
    FunctionFacts,
    Items,
    Jump,
    Keyword,
    Raise,
    Return,
    Test,
    WithItem,
)
from auditor.source.lower import lower, names_bound, target_of
from auditor.source.strings import concatenated


class ModuleBuilder:
    """Collects imports, classes and functions of a module while its statements are visited."""

    def __init__(self, name: str, *, is_package: bool) -> None:
        self.name = name
        self.package = name if is_package else name.rpartition(".")[0]
        self.imports: dict[str, str] = {}
        self.classes: list[ClassFacts] = []
        self.functions: list[FunctionFacts] = []
        self.pending: list[tuple[Any, str, str]] = []
        self.once = Once()
        self.prefix = ""
        self.class_name = ""

    @contextmanager
    def within(self, prefix: str, class_name: str) -> Iterator[None]:
        """Qualify the names of definitions in the block with `prefix`."""
        saved = (self.prefix, self.class_name)
        self.prefix, self.class_name = prefix, class_name
        try:
            yield
        finally:
            self.prefix, self.class_name = saved

    def qualified(self, name: str) -> str:
        """The qualified name of a definition at this place."""
        return f"{self.prefix}.{name}" if self.prefix else name


def block(module: ModuleBuilder, to: FunctionBuilder, statements: Sequence[ast.stmt]) -> None:
    """Visit statements in order."""
    for statement in statements:
        visit = _STATEMENTS.get(type(statement))
        if visit is not None:
            visit(module, to, statement)


def _function(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    for decorator in node.decorator_list:
        lower(to, decorator)
    for default in (*node.args.defaults, *node.args.kw_defaults):
        if default is not None:
            lower(to, default)
    to.emit(Bind(node.name, None, "define", place_of(node), to.region))
    module.pending.append((node, module.qualified(node.name), module.class_name))


def _class(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    decorators = tuple(lower(to, decorator) for decorator in node.decorator_list)
    bases = tuple(lower(to, base) for base in node.bases)
    keywords = tuple(Keyword(k.arg or "", lower(to, k.value)) for k in node.keywords)
    to.emit(Bind(node.name, None, "define", place_of(node), to.region))
    qualname = module.qualified(node.name)
    with to.inside("class", place_of(node), name=qualname) as region:
        with module.within(qualname, qualname):
            block(module, to, node.body)
        own = to.events[to.regions[region].first :]
        binds = (e for e in own if isinstance(e, Bind) and e.region == region)
    module.classes.append(
        ClassFacts(
            name=node.name,
            qualname=qualname,
            at=at_of(node),
            bases=bases,
            keywords=keywords,
            decorators=decorators,
            assignments=tuple(b for b in binds if b.kind != "define"),
            methods=tuple(
                n.name for n in node.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))
            ),
            has_docstring=ast.get_docstring(node, clean=False) is not None,
        )
    )


def _if(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    test = lower(to, node.test)
    to.emit(Test(test, "if", place_of(node.test), to.region))
    with to.inside("if", _around(node.body), expr=test) as partner:
        block(module, to, node.body)
    if node.orelse:
        with to.inside("else", _around(node.orelse), expr=test, partner=partner):
            block(module, to, node.orelse)


def _for(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    iterable = lower(to, node.iter)
    target = names_bound(node.target)
    is_async = isinstance(node, ast.AsyncFor)
    more = {"target": target, "expr": iterable, "is_async": is_async}
    with to.inside("for", place_of(node), **more) as loop:
        for name in target:
            to.emit(Bind(name, iterable, "loop", place_of(node.target), loop))
        block(module, to, node.body)
    _loop_else(module, to, node, loop)


def _while(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    with to.inside("while", place_of(node)) as loop:
        test = lower(to, node.test)
        to.set(loop, expr=test)
        to.emit(Test(test, "while", place_of(node.test), loop))
        block(module, to, node.body)
    _loop_else(module, to, node, loop)


def _loop_else(module: ModuleBuilder, to: FunctionBuilder, node: Any, loop: int) -> None:
    if node.orelse:
        with to.inside("loop-else", _around(node.orelse), partner=loop):
            block(module, to, node.orelse)


def _try(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    with to.inside("try", _around(node.body)) as body:
        block(module, to, node.body)
    for handler in node.handlers:
        types = _caught(to, handler.type)
        more = {"partner": body, "types": types, "name": handler.name or ""}
        with to.inside("handler", place_of(handler), **more) as region:
            if handler.name:
                to.emit(Bind(handler.name, None, "except", place_of(handler), region))
            block(module, to, handler.body)
    for kind, statements in (("try-else", node.orelse), ("finally", node.finalbody)):
        if statements:
            with to.inside(kind, _around(statements), partner=body):
                block(module, to, statements)


def _caught(to: FunctionBuilder, node: ast.expr | None) -> tuple[Expr, ...]:
    if node is None:
        return ()
    expr = lower(to, node)
    return expr.items if isinstance(expr, Items) else (expr,)


def _with(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    items = []
    for item in node.items:  # each is bound before the next is evaluated
        expr = lower(to, item.context_expr)
        names = () if item.optional_vars is None else names_bound(item.optional_vars)
        items.append(WithItem(expr, names[0] if names else ""))
        for name in names:
            to.emit(Bind(name, expr, "with", place_of(item.optional_vars), to.region))
    more = {"items": tuple(items), "is_async": isinstance(node, ast.AsyncWith)}
    with to.inside("with", place_of(node), **more):
        block(module, to, node.body)


def _match(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    subject = lower(to, node.subject)
    to.emit(Test(subject, "match", place_of(node.subject), to.region))
    for case in node.cases:
        with to.inside("case", _around(case.body), expr=subject) as region:
            for pattern, name in _captures(case.pattern):
                to.emit(Bind(name, subject, "capture", place_of(pattern), region))
            if case.guard is not None:
                guard = lower(to, case.guard)
                to.emit(Test(guard, "if", place_of(case.guard), region))
            block(module, to, case.body)


def _captures(pattern: ast.pattern) -> Iterator[tuple[ast.AST, str]]:
    """The names that a pattern binds, and where."""
    for found in ast.walk(pattern):
        name = getattr(found, "name", None) or getattr(found, "rest", None)
        if isinstance(name, str):
            yield found, name


def _assign(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    value = lower(to, node.value)
    for target in node.targets:
        _bind(to, target, value, place_of(node))


def _bind(to: FunctionBuilder, target: ast.expr, value: Expr, place: int) -> None:
    if not isinstance(target, (ast.Tuple, ast.List)):
        _read_base(to, target)
        to.emit(Bind(target_of(target), value, "assign", place, to.region))
        return
    paired = isinstance(value, Items) and len(value.items) == len(target.elts)
    if paired and not any(isinstance(item, ast.Starred) for item in target.elts):
        for item, part in zip(target.elts, value.items, strict=True):  # type: ignore[union-attr]
            _bind(to, item, part, place)
        return
    for name in names_bound(target):
        to.emit(Bind(name, value, "unpack", place, to.region))


def _read_base(to: FunctionBuilder, target: ast.expr) -> None:
    """`a.b = x` and `a[k] = x` read what they store into."""
    if isinstance(target, (ast.Attribute, ast.Subscript)):
        lower(to, target.value)
    if isinstance(target, ast.Subscript):
        lower(to, target.slice)


def _augmented(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    before = lower(to, node.target)
    value = lower(to, node.value)
    whole: Expr | None = None
    if isinstance(node.op, ast.Add):
        whole = concatenated((before, value), place_of(node))
    whole = whole or Arithmetic("+" if isinstance(node.op, ast.Add) else "?", before, value)
    to.emit(Bind(target_of(node.target), whole, "augment", place_of(node), to.region))


def _annotated(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    annotation = lower(FunctionBuilder(place_of(node), once=to.once), node.annotation)
    value = None if node.value is None else lower(to, node.value)
    target = target_of(node.target)
    to.emit(Bind(target, value, "assign", place_of(node), to.region, annotation))


def _return(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    value = None if node.value is None else lower(to, node.value)
    to.emit(Return(value, place_of(node), to.region))


def _raise(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    error = None if node.exc is None else lower(to, node.exc)
    cause = None if node.cause is None else lower(to, node.cause)
    to.emit(Raise(error, cause, node.cause is not None, place_of(node), to.region))


def _assert(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    to.emit(Test(lower(to, node.test), "assert", place_of(node.test), to.region))
    if node.msg is not None:
        lower(to, node.msg)


def _delete(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    for target in node.targets:
        for name in names_bound(target):
            to.emit(Bind(name, None, "delete", place_of(node), to.region))


def _expression(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    lower(to, node.value)


def _jump(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    to.emit(Jump(type(node).__name__.lower(), place_of(node), to.region))


def _import(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    for alias in node.names:
        if alias.asname:
            module.imports[alias.asname] = alias.name
        else:
            top = alias.name.partition(".")[0]
            module.imports.setdefault(top, top)


def _import_from(module: ModuleBuilder, to: FunctionBuilder, node: Any) -> None:
    base = node.module or ""
    if node.level:
        parts = module.package.split(".") if module.package else []
        parts = parts[: len(parts) - node.level + 1]
        base = ".".join([*parts, base]) if base else ".".join(parts)
    for alias in node.names:
        if alias.name == "*":
            module.imports[f"*{base}"] = base
        else:
            module.imports[alias.asname or alias.name] = f"{base}.{alias.name}"


def _around(statements: Sequence[ast.stmt]) -> int:
    first, last = at_of(statements[0]), at_of(statements[-1])
    return packed(first.line, first.column, last.end_line, last.end_column)


_STATEMENTS: dict[type[ast.AST], Callable[[ModuleBuilder, FunctionBuilder, Any], None]] = {
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.ClassDef: _class,
    ast.If: _if,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.Try: _try,
    getattr(ast, "TryStar", ast.Try): _try,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Match: _match,
    ast.Assign: _assign,
    ast.AugAssign: _augmented,
    ast.AnnAssign: _annotated,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.Assert: _assert,
    ast.Delete: _delete,
    ast.Expr: _expression,
    ast.Continue: _jump,
    ast.Break: _jump,
    ast.Pass: _jump,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
}
