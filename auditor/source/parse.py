"""Source bytes of one module to its facts. The only place that sees a syntax tree.

`parse_module` raises `NotParsed` for anything that is not Python this interpreter can read; it
never executes or imports the code.
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from auditor.model.errors import AuditorError
from auditor.source.build import FunctionBuilder, at_of, place_of
from auditor.source.facts import At, FunctionFacts, ModuleFacts, Parameter, place_at
from auditor.source.lower import lower
from auditor.source.statements import ModuleBuilder, block
from auditor.source.suppress import suppressions_in
from auditor.source.words import Words

_DEPTH = 6000
"""Recursion limit while a tree is lowered: a few hundred nested blocks or calls."""


class NotParsed(AuditorError):  # noqa: N818 - it says what is the case
    """The file is not Python source that can be read; the message says why and on which line."""


def parse_module(
    path: str, name: str, source: bytes, *, is_package: bool = False, is_test: bool = False
) -> ModuleFacts:
    """The facts of the module `name` whose source is `source`; `path` is only kept in them. Of a
    test, functions without a word of database code are not looked into.

    Raises NotParsed for a syntax error, a wrong encoding, NUL bytes, or nesting that is too deep.
    """
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _DEPTH))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        return _module(path, name, source, tree, is_package=is_package, is_test=is_test)
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        raise NotParsed(f"{where}{error.msg}") from error
    except ValueError as error:
        raise NotParsed(str(error)) from error
    except (RecursionError, MemoryError) as error:
        raise NotParsed("nested too deeply to be read") from error
    finally:
        sys.setrecursionlimit(limit)


def _module(
    path: str, name: str, source: bytes, tree: ast.Module, *, is_package: bool, is_test: bool
) -> ModuleFacts:
    lines = source.count(b"\n") + 1
    module = ModuleBuilder(name, is_package=is_package)
    at = At(1, 1, lines, 1)
    body = FunctionBuilder(place_at(at), "module", module.once)
    block(module, body, tree.body)
    build_pending(module, Words(source), only_with_words=is_test)
    regions, events = body.finish()
    whole = FunctionFacts(
        name="<module>", qualname="<module>", class_name="", at=at, parameters=(), returns=None,
        decorators=(), is_async=False, is_generator=False,
        has_docstring=ast.get_docstring(tree, clean=False) is not None,
        regions=regions, events=events,
    )  # fmt: skip
    return ModuleFacts(
        path=path,
        name=name,
        is_package=is_package,
        imports=module.imports,
        classes=tuple(module.classes),
        functions=(*sorted(module.functions, key=lambda f: f.at[:2]), whole),
        suppressions=suppressions_in(source, tree),
        lines=lines,
        is_test=is_test,
    )


def build_pending(module: ModuleBuilder, words: Words, *, only_with_words: bool) -> None:
    """Build the functions found so far, and those found inside them, until none is left;
    `only_with_words` leaves the bodies of the others empty."""
    while module.pending:
        node, qualname, class_name = module.pending.pop()
        first = min((each.lineno for each in node.decorator_list), default=node.lineno)
        has_words = words.between(first, node.end_lineno)
        body = node.body if has_words or not only_with_words else ()
        function = _function(module, node, body, qualname, class_name)
        module.functions.append(function if has_words else function._replace(has_words=False))


def _function(
    module: ModuleBuilder, node: Any, body: Sequence[ast.stmt], qualname: str, class_name: str
) -> FunctionFacts:
    place = place_of(node)
    to = FunctionBuilder(place, once=module.once)
    with module.within(f"{qualname}.<locals>", ""):
        block(module, to, body)
    outside = FunctionBuilder(place, once=module.once)  # annotations are not events of the function
    regions, events = to.finish()
    return FunctionFacts(
        name=node.name,
        qualname=qualname,
        class_name=class_name,
        at=at_of(node),
        parameters=tuple(_parameters(outside, node.args)),
        returns=None if node.returns is None else lower(outside, node.returns),
        decorators=tuple(lower(outside, decorator) for decorator in node.decorator_list),
        is_async=isinstance(node, ast.AsyncFunctionDef),
        is_generator=to.is_generator,
        has_docstring=ast.get_docstring(node, clean=False) is not None,
        regions=regions,
        events=events,
    )


def _parameters(outside: FunctionBuilder, arguments: ast.arguments) -> Iterable[Parameter]:
    def parameter(arg: ast.arg, kind: str, default: ast.expr | None = None) -> Parameter:
        annotation = None if arg.annotation is None else lower(outside, arg.annotation)
        value = None if default is None else lower(outside, default)
        return Parameter(arg.arg, kind, annotation, value)

    positional = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    for arg, default in zip(positional, missing + list(arguments.defaults), strict=True):
        yield parameter(arg, "positional", default)
    if arguments.vararg:
        yield parameter(arguments.vararg, "args")
    for arg, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield parameter(arg, "keyword", default)
    if arguments.kwarg:
        yield parameter(arguments.kwarg, "kwargs")
