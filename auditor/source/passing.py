"""What calls pass to the parameters of the functions they run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from auditor.source.facts import Call, Expr, FunctionFacts, ModuleFacts, Name
from auditor.source.guards import is_guarded
from auditor.source.program import CallSite, Scope, last_step
from auditor.source.project import Project


def passed_to(
    project: Project, function: FunctionFacts, name: str, *, at_most: int
) -> Iterator[tuple[Scope, Call, Expr]]:
    """The calls of the project that run a function, and what each passes for a parameter; its
    default where it passes nothing."""
    for site in _sites(project, function)[:at_most]:
        target = project.callee(site.scope.module, site.scope.function, site.call)
        if target is None or target[1] is not function:
            continue
        given = arguments_of(function, site.call).get(name)
        default = next(p.default for p in function.parameters if p.name == name)
        passed = given if given is not None else default
        if passed is not None:
            yield site.scope, site.call, passed


def _sites(project: Project, function: FunctionFacts) -> tuple[CallSite, ...]:
    """The calls by the name of the function; of the class for what sets up its objects."""
    calls = project.program.calls
    if function.name == "__init__":
        return calls.get(function.class_name.rpartition(".")[2], ())
    return calls.get(function.name, ())


def is_checked_by_call(
    project: Project, module: ModuleFacts, function: FunctionFacts, name: str
) -> bool:
    """Whether the name is given to a function that refuses what is not listed: `_check(name)`; one
    that is not in the project is taken to, if it is named so."""
    for event in function.events:
        if not isinstance(event, Call) or not any(
            isinstance(arg, Name) and arg.name == name for arg in event.args
        ):
            continue
        if not _CHECKS.match(last_step(event.func)):
            continue
        target = project.callee(module, function, event)
        if target is None or any(
            isinstance(arg, Name)
            and arg.name == name
            and is_guarded(project.shared, target[1], (parameter,))
            for parameter, arg in arguments_of(target[1], event).items()
        ):
            return True
    return False


_CHECKS = re.compile(
    r"_*(?:check|validate|assert|ensure|verify|require|guard|allow)"
    r"(?!\w*(?:access|auth|perm|polic|login|quota|right))"
)
"""Not those that ask whether somebody may: they look at who asks, not at what is asked for."""


def arguments_of(function: FunctionFacts, call: Call) -> dict[str, Expr]:
    """By parameter: what a call passes for it; `*` and `**` are not unpacked."""
    names = [p.name for p in function.parameters if p.kind == "positional"]
    if function.class_name and names[:1] in (["self"], ["cls"]):
        names = names[1:]
    passed = dict(zip(names, call.args, strict=False))
    passed.update((keyword.name, keyword.value) for keyword in call.keywords if keyword.name)
    return passed
