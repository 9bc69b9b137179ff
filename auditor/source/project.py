"""Modules linked into one project: names followed across modules to what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from auditor.source.facts import ClassFacts, Expr, FunctionFacts, ModuleFacts, dotted

_HOPS = 20
"""Re-exports followed at most; more is a cycle."""


@dataclass(frozen=True, slots=True)
class Project:
    """All modules of a scan, by dotted name."""

    modules: Mapping[str, ModuleFacts]

    def functions(self) -> Iterator[tuple[ModuleFacts, FunctionFacts]]:
        """Every function of every module, in order of path and line."""
        for module in sorted(self.modules.values(), key=lambda m: m.path):
            for function in module.functions:
                yield module, function

    def resolve(self, module: ModuleFacts, expr: Expr | str | None) -> str:
        """The absolute dotted name that an expression or dotted name means in `module`: imports and
        re-exports followed, names of the module itself prefixed; empty if it is not such a name.

        `db_exc.DBError` -> `oslo_db.exception.DBError`; a builtin stays as it is (`ValueError`).
        """
        name = expr if isinstance(expr, str) else dotted(expr)
        if not name:
            return ""
        head, _, rest = name.partition(".")
        if head in module.imports:
            target = module.imports[head]
        elif _defines(module, head):
            target = f"{module.name}.{head}"
        else:
            return name
        return self._follow(f"{target}.{rest}" if rest else target)

    def _follow(self, name: str) -> str:
        for _ in range(_HOPS):
            module, rest = self._split(name)
            if module is None or not rest:
                return name
            head, _, tail = rest.partition(".")
            target = module.imports.get(head)
            if target is None or _defines(module, head):
                return name
            followed = f"{target}.{tail}" if tail else target
            if followed == name:
                return name
            name = followed
        return name

    def _split(self, name: str) -> tuple[ModuleFacts | None, str]:
        """The longest module of the project that `name` begins with, and what is left."""
        parts = name.split(".")
        for count in range(len(parts), 0, -1):
            module = self.modules.get(".".join(parts[:count]))
            if module is not None:
                return module, ".".join(parts[count:])
        return None, name


def _defines(module: ModuleFacts, name: str) -> bool:
    return any(c.qualname == name for c in module.classes) or any(
        f.qualname == name for f in module.functions
    )


def link(modules: Iterable[ModuleFacts]) -> Project:
    """The project of the given modules; of two with the same name, the first by path counts."""
    linked: dict[str, ModuleFacts] = {}
    for module in sorted(modules, key=lambda m: m.path):
        linked.setdefault(module.name, module)
    return Project(linked)


__all__ = ["ClassFacts", "Project", "link"]
