"""Where a module name or a class attribute gets its values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.source.facts import (
    Attribute,
    Bind,
    ClassFacts,
    Expr,
    FunctionFacts,
    ModuleFacts,
    dotted,
)
from auditor.source.project import Project

_OWN = frozenset({"self", "cls"})


@dataclass(frozen=True, slots=True)
class Definition:
    """A value that a name is given, and where: names in `value` mean what they mean there."""

    module: ModuleFacts
    function: FunctionFacts
    bind: Bind

    @property
    def value(self) -> Expr | None:
        return self.bind.value


def of_name(project: Project, module: ModuleFacts, name: str) -> tuple[Definition, ...]:
    """The values of a name of the module, or of the module it is imported from; () if unknown."""
    own = tuple(_module_binds(module, name))
    if own or name not in module.imports:
        return own
    home, _, attribute = project.resolve(module, name).rpartition(".")
    source = project.modules.get(home)
    return tuple(_module_binds(source, attribute)) if source is not None else ()


def of_attribute(
    project: Project, module: ModuleFacts, function: FunctionFacts, expr: Attribute
) -> tuple[Definition, ...]:
    """The values of `self.x`, `Class.x`, `module.x` or of an enum member's `.value`."""
    base, name = dotted(expr.base), expr.name
    if name in ("value", "name") and isinstance(expr.base, Attribute):
        base, name = dotted(expr.base.base), expr.base.name
    if not base:
        return ()
    if base in _OWN and function.class_name:
        return tuple(_attribute_binds(module, function.class_name, name))
    resolved = project.resolve(module, base)
    if resolved in project.modules:
        return of_name(project, project.modules[resolved], name)
    home, _, class_name = resolved.rpartition(".")
    source = project.modules.get(home)
    if source is None or not any(c.qualname == class_name for c in source.classes):
        return ()
    return tuple(_attribute_binds(source, class_name, name))


def _module_binds(module: ModuleFacts, name: str) -> Iterator[Definition]:
    body = module.body
    for event in body.events:
        if not isinstance(event, Bind) or event.target != name or event.kind == "define":
            continue
        if not any(region.kind == "class" for region in body.ancestors(event.region)):
            yield Definition(module, body, event)


def _attribute_binds(module: ModuleFacts, class_name: str, name: str) -> Iterator[Definition]:
    for found in module.classes:
        if found.qualname == class_name:
            yield from _of_class(module, found, name)
    methods = (f for f in module.functions if f.class_name == class_name)
    for function, event in ((method, event) for method in methods for event in method.events):
        if isinstance(event, Bind) and event.target in (f"self.{name}", f"cls.{name}"):
            yield Definition(module, function, event)


def _of_class(module: ModuleFacts, found: ClassFacts, name: str) -> Iterator[Definition]:
    for bind in found.assignments:
        if bind.target == name:
            yield Definition(module, module.body, bind)
