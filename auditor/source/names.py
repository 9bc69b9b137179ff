"""Dotted names across modules: imports and re-exports followed to where a thing is defined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from auditor.source.facts import Bind, Expr, ModuleFacts, dotted

_HOPS = 20
"""Re-exports followed at most; more is a cycle."""
_NAMESPACE = ("oslo.db.", "oslo_db.")
"""oslo.db before 1.5 was a namespace package; what is in it has kept its place since."""
_COPIED = (".openstack.common.db.exception.", "oslo_db.exception.")
"""Before there was an oslo.db each project kept a copy of its errors, of the same names."""


@dataclass(frozen=True, slots=True)
class Names:
    """What every module defines at its top level. `followed` keeps answers already found."""

    modules: Mapping[str, ModuleFacts]
    defined: Mapping[str, frozenset[str]]
    """By module: classes, functions and variables of its top level."""
    stars: Mapping[str, tuple[str, ...]]
    """By module: modules it imports `*` from."""
    below: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Modules that define a class at their top level, by the name of the class."""
    followed: dict[str, str] = field(default_factory=dict)
    resolved: dict[tuple[str, str], str] = field(default_factory=dict)
    """By module and name."""

    def resolve(self, module: ModuleFacts, expr: Expr | str | None) -> str:
        """The absolute dotted name of an expression or dotted name, empty if it is not a name."""
        name = expr if isinstance(expr, str) else dotted(expr)
        if not name:
            return ""
        key = (module.name, name)
        found = self.resolved.get(key)
        if found is None:
            found = self.resolved[key] = self._resolve(module, name)
        return found

    def _resolve(self, module: ModuleFacts, name: str) -> str:
        head, _, rest = name.partition(".")
        if head in module.imports:
            target = module.imports[head]
        elif head in self.defined.get(module.name, ()):
            target = f"{module.name}.{head}"
        else:
            target = self._starred(module, head)
            if not target:
                return name
        return self.follow(f"{target}.{rest}" if rest else target)

    def follow(self, name: str) -> str:
        """An absolute dotted name with re-exports replaced by where they lead."""
        found = self.followed.get(name)
        if found is None:
            found = self.followed[name] = _present(self._follow(_present(name)))
        return found

    def split(self, name: str) -> tuple[ModuleFacts | None, str]:
        """The longest module of the project that `name` begins with, and what is left."""
        head, rest = name, ""
        while head:
            module = self.modules.get(head)
            if module is not None:
                return module, rest
            head, _, step = head.rpartition(".")
            rest = f"{step}.{rest}" if rest else step
        return None, name

    def _follow(self, name: str) -> str:
        for _ in range(_HOPS):
            module, rest = self.split(name)
            if module is None or not rest:
                return name
            head, _, tail = rest.partition(".")
            if head in self.defined[module.name]:
                return name
            target = module.imports.get(head) or self._starred(module, head)
            target = target or self._registered(module, head)
            if not target:
                return name
            followed = f"{target}.{tail}" if tail else target
            if followed == name:
                return name
            name = followed
        return name

    def _starred(self, module: ModuleFacts, head: str) -> str:
        """Where a name comes from that is only known through `from x import *`."""
        for source in self.stars.get(module.name, ()):
            if head in self.defined.get(source, ()):
                return f"{source}.{head}"
        return ""

    def _registered(self, package: ModuleFacts, name: str) -> str:
        """Where a class comes from that a package has without saying so: a registry puts it there
        when its module is imported, so the one class of that name below the package is meant."""
        if not package.is_package:
            return ""
        prefix = f"{package.name}."
        homes = [home for home in self.below.get(name, ()) if home.startswith(prefix)]
        return f"{homes[0]}.{name}" if len(homes) == 1 else ""


def _present(name: str) -> str:
    """The name that oslo.db has now for what had another before."""
    old, new = _NAMESPACE
    if name.startswith(old):
        return new + name.removeprefix(old)
    infix, new = _COPIED
    head, found, rest = name.partition(infix)
    return new + rest if found and "." not in head else name


def names_of(modules: Mapping[str, ModuleFacts]) -> Names:
    """The names of all modules; variables of a module's top level count as defined."""
    defined: dict[str, frozenset[str]] = {}
    stars: dict[str, tuple[str, ...]] = {}
    below: dict[str, tuple[str, ...]] = {}
    for module in modules.values():
        defined[module.name] = frozenset(_top_level(module))
        sources = tuple(v for k, v in module.imports.items() if k.startswith("*"))
        if sources:
            stars[module.name] = sources
        for cls in module.classes:
            if "." not in cls.qualname:
                below[cls.qualname] = (*below.get(cls.qualname, ()), module.name)
    return Names(modules, defined, stars, below)


def _top_level(module: ModuleFacts) -> Iterable[str]:
    for cls in module.classes:
        if "." not in cls.qualname:
            yield cls.qualname
    for function in module.functions:
        if "." not in function.qualname:
            yield function.qualname
    body = module.body
    classes = {r.index for r in body.regions if r.kind in {"class", "comprehension", "lambda"}}
    for event in body.events:
        if isinstance(event, Bind) and event.kind != "define" and event.region not in classes:
            yield event.target
