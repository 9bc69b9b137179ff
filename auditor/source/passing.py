"""What calls pass to the parameters of the functions they run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from auditor.source.facts import Bind, Call, Expr, FunctionFacts
from auditor.source.program import Scope
from auditor.source.project import Project


def passed_to(
    project: Project, function: FunctionFacts, name: str, *, at_most: int
) -> Iterator[tuple[Scope, Call, Expr]]:
    """The calls of the project that run a function, and what each passes for a parameter; its
    default where it passes nothing."""
    for site in project.program.calls.get(function.name, ())[:at_most]:
        target = project.callee(site.scope.module, site.scope.function, site.call)
        if target is None or target[1] is not function:
            continue
        given = arguments_of(function, site.call).get(name)
        default = next(p.default for p in function.parameters if p.name == name)
        passed = given if given is not None else default
        if passed is not None:
            yield site.scope, site.call, passed


def arguments_of(function: FunctionFacts, call: Call) -> dict[str, Expr]:
    """By parameter: what a call passes for it; `*` and `**` are not unpacked."""
    names = [p.name for p in function.parameters if p.kind == "positional"]
    if function.class_name and names[:1] in (["self"], ["cls"]):
        names = names[1:]
    passed = dict(zip(names, call.args, strict=False))
    passed.update((keyword.name, keyword.value) for keyword in call.keywords if keyword.name)
    return passed


def may_be_as_passed(function: FunctionFacts, binds: Sequence[Bind]) -> bool:
    """Whether a parameter may still be what the caller passed: all binds of its name stand in
    branches or loops."""
    always = {"function", "with", "try", "finally"}
    return not any(function.regions[bind.region].kind in always for bind in binds)
