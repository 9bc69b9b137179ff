"""Options of a command line, as the parser declares them: `type=int`, `choices`, `Choice`."""

from __future__ import annotations

from collections.abc import Iterable

from auditor.source.conventions import NUMBERS
from auditor.source.facts import Call, Const, Expr, ModuleFacts, dotted
from auditor.source.pieces import Kind

_PARSES = frozenset({"parse_args", "parse_known_args"})
_LISTS = frozenset({"Choice", "IntRange", "FloatRange", "DateTime", "UUID"})


def is_parsed(call: Call) -> bool:
    """Whether the call reads the command line: `parser.parse_args()`."""
    return getattr(call.func, "name", "") in _PARSES


def declared_kind(module: ModuleFacts, name: str) -> Kind:
    """What the parsers of a module say of the attribute `name` of what they parse."""
    calls = (
        event
        for function in module.functions
        for event in function.events
        if isinstance(event, Call) and getattr(event.func, "name", "") == "add_argument"
    )
    return option_kind(calls, name)


def option_kind(declared: Iterable[Expr], name: str) -> Kind:
    """Number, guarded or input, by the calls that declare options; input if none declares it."""
    for call in declared:
        if isinstance(call, Call) and name in _names(call):
            if call.keyword("choices") is not None or _type(call) in _LISTS:
                return Kind.GUARDED
            if _type(call) in NUMBERS:
                return Kind.NUMBER
    return Kind.INPUT


def _names(call: Call) -> set[str]:
    words = (arg.value for arg in call.args if isinstance(arg, Const))
    return {str(word).lstrip("-").replace("-", "_") for word in words}


def _type(call: Call) -> str:
    written = call.keyword("type")
    written = written.func if isinstance(written, Call) else written
    return dotted(written).rpartition(".")[2]
