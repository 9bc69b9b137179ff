"""Names that say a number or a kind, and what they are bound to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from auditor.model.finding import Confidence
from auditor.model.knowledge import ROW, ROW_OR_NONE, ROWS
from auditor.source.callees import targets_of
from auditor.source.facts import (
    Bind,
    Call,
    Comprehension,
    Expr,
    FunctionFacts,
    Items,
    Pairs,
    dotted,
)
from auditor.source.program import Scope
from auditor.source.project import Project
from auditor.source.value import Value

_SAID = {"dict": "dict", "map": "dict", "list": "list", "set": "set"}
"""Last words of names that say a kind; a set is also what belongs together (`zone_set`)."""
_MADE = {"dict": "dict", "defaultdict": "dict", "OrderedDict": "dict", "list": "list",
         "sorted": "list", "set": "set", "frozenset": "set"}  # fmt: skip
_DENIED = frozenset(("non", "not", "no"))
"""First words of names of what is of another kind than the last word says."""
_OPEN = {"map": ("dict", "list")}
"""What a word may mean besides: a map is also what maps points."""
_MASS = frozenset(("mapping", "data", "info", "metadata", "history", "status", "config"))
"""Last words of classes of which one and many are called the same."""
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


class Contradiction(NamedTuple):
    """A bind whose name says another thing than its value is, in words."""

    bind: Bind
    told: str
    confidence: Confidence


def contradictions(project: Project, function: FunctionFacts) -> Iterator[Contradiction]:
    """The first bind of each name that contradicts all of its binds in the function."""
    scope = project.program.scope_of(function)
    for name, indices in project.program.binds[scope.key].items():
        binds = [function.events[index] for index in indices]
        plain = [b for b in binds if isinstance(b, Bind) and b.kind == "assign"]
        if "." in name or "[" in name or len(plain) != len(binds):
            continue
        told = [_told(project, scope, index, name) for index in indices]
        if all(told) and len({found[0] for found in told if found}) == 1 and told[0]:
            yield Contradiction(plain[0], *told[0])


def _told(project: Project, scope: Scope, index: int, name: str) -> tuple[str, Confidence] | None:
    bind = scope.function.events[index]
    expr = bind.value if isinstance(bind, Bind) else None
    words = name.lower().strip("_").split("_")
    kind = _kind_of(expr)
    said = _SAID.get(words[-1]) if len(words) > 1 and words[0] not in _DENIED else None
    if kind and said and kind not in {said, *_OPEN.get(words[-1], ())}:
        sure = Confidence.LOW if said == "set" else Confidence.MEDIUM
        return f"`{name}` says {said} and is a {kind}", sure
    if words[0] == "all" and len(words) > 1 and kind == "dict" and said is None:
        return f"`{name}` reads as a collection of rows and is a dict by key", Confidence.LOW
    value = project.inference.value(scope, index, expr)
    if not isinstance(expr, Call) or not _is_row_of_tables(project, scope, index, expr):
        return None
    return _of_rows(name, words, value)


def _is_row_of_tables(project: Project, scope: Scope, index: int, call: Call) -> bool:
    """Whether a known library says what the call gives: an annotation may be wrong."""
    targets = targets_of(project.program, project.inference.value(scope, index, call.func))
    return bool(targets) and all(target.row is not None for target in targets)


def _of_rows(name: str, words: list[str], value: Value) -> tuple[str, Confidence] | None:
    """Ids that are rows, one that is many, many that are one."""
    if not value.name or not value.sure or value.kind not in {ROWS, ROW, ROW_OR_NONE}:
        return None
    class_name = value.name.rpartition(".")[2]
    last_word = (_WORD.findall(class_name) or [class_name])[-1].lower()
    if words[-1] == "ids" and value.kind == ROWS:
        return f"`{name}` says ids and holds rows of `{class_name}`", Confidence.MEDIUM
    if last_word in _MASS:
        return None
    is_one = words[0] != "all" and not last_word.endswith("s")
    if words[-1] == last_word and value.kind == ROWS and is_one:
        return f"`{name}` says one and holds many rows of `{class_name}`", Confidence.MEDIUM
    if words[-1] == f"{last_word}s" and value.kind in {ROW, ROW_OR_NONE}:
        return f"`{name}` says many and holds one row of `{class_name}`", Confidence.MEDIUM
    return None


def _kind_of(expr: Expr | None) -> str:
    """`dict`, `list` or `set`, when the expression makes one."""
    match expr:
        case Pairs():
            return "dict"
        case Items(kind=kind) | Comprehension(kind=kind):
            return kind if kind in {"list", "set", "dict"} else ""
        case Call(func=func):
            return _MADE.get(dotted(func).rpartition(".")[2], "")
        case _:
            return ""
