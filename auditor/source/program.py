"""The whole program as tables: functions and classes by name, inheritance, who calls what name.

Everything here is read off the facts in one pass; nothing is inferred.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from auditor.model.knowledge import Knowledge
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    ClassFacts,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Subscript,
)
from auditor.source.names import Names, names_of

PROPERTIES = ("property", "cached_property", "hybrid_property", "memoized_property")
"""Decorators, by the last step of their name, under which reading a method's name runs it."""


class Scope(NamedTuple):
    """A function in its module; `key` is its number in the program."""

    key: int
    module: ModuleFacts
    function: FunctionFacts

    @property
    def dotted(self) -> str:
        """`pkg.module.Class.method`."""
        return f"{self.module.name}.{self.function.qualname}"


class Bound(NamedTuple):
    """A bind of a class or instance attribute, and where it stands."""

    scope: Scope
    position: int
    bind: Bind


class ClassEntry(NamedTuple):
    """A class of the program. `bases` are dotted names, also of classes outside the program."""

    dotted: str
    module: ModuleFacts
    facts: ClassFacts
    bases: tuple[str, ...]
    methods: Mapping[str, Scope]
    own: Mapping[str, Bound]
    """Assignments of the class body, by name."""
    instance: Mapping[str, tuple[Bound, ...]]
    """`self.name = ...` in its methods, by name."""


class CallSite(NamedTuple):
    """A call and where it stands."""

    scope: Scope
    position: int
    call: Call


_BITS = 32
"""Bits of the number of an event in a packed place of a call."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of a program by the last step of what is called: kept as numbers, since most names
    are never asked for."""

    scopes: tuple[Scope, ...]
    packed: Mapping[str, array[int]]
    """By name: scope keys and numbers of events."""
    found: dict[str, tuple[CallSite, ...]] = field(default_factory=dict)

    def get(self, name: str, default: tuple[CallSite, ...] = ()) -> tuple[CallSite, ...]:
        """The calls of that name, in order of path and line."""
        found = self.found.get(name)
        if found is None:
            if name not in self.packed:
                return default
            found = self.found[name] = tuple(map(self._site, self.packed[name]))
        return found

    def _site(self, packed: int) -> CallSite:
        scope, position = self.scopes[packed >> _BITS], packed & (1 << _BITS) - 1
        return CallSite(scope, position, scope.function.events[position])  # type: ignore[arg-type]  # only calls are packed


@dataclass(frozen=True, slots=True)
class Program:
    """All tables. `mros` keeps resolution orders already found."""

    knowledge: Knowledge
    names: Names
    scopes: tuple[Scope, ...]
    functions: Mapping[str, Scope]
    bodies: Mapping[str, Scope]
    """Module bodies by module name."""
    classes: Mapping[str, ClassEntry]
    subclasses: Mapping[str, tuple[str, ...]]
    binds: tuple[Mapping[str, tuple[int, ...]], ...]
    """By scope key: indices of the events that bind a name."""
    calls: Calls
    properties: frozenset[str]
    """Names of methods that are properties and call something."""
    keys: Mapping[int, int]
    """Scope keys by `id` of the function facts."""
    mros: dict[str, tuple[str, ...]] = field(default_factory=dict)
    targets: dict[object, tuple[Any, ...]] = field(default_factory=dict)
    """By value of what is called: what `auditor.source.callees` found that it may run."""

    def scope_of(self, function: FunctionFacts) -> Scope:
        """The scope of a function of this very program."""
        return self.scopes[self.keys[id(function)]]

    def mro(self, name: str) -> tuple[str, ...]:
        """The class and its ancestors in order of lookup, ancestors outside the program included;
        depth first, each where it is met last, which is C3 for all hierarchies that C3 accepts
        without reordering."""
        found = self.mros.get(name)
        if found is None:
            self.mros[name] = ()  # a cycle of bases ends here
            order: dict[str, None] = {name: None}
            entry = self.classes.get(name)
            for base in entry.bases if entry else ():
                for ancestor in self.mro(base):
                    order.pop(ancestor, None)
                    order[ancestor] = None
            found = self.mros[name] = tuple(order)
        return found

    def method(self, name: str, method: str, *, after: str = "") -> Scope | None:
        """The method a lookup on class `name` finds; with `after`, beyond that class (super)."""
        order = self.mro(name)
        if after in order:
            order = order[order.index(after) + 1 :]
        for ancestor in order:
            entry = self.classes.get(ancestor)
            if entry is not None and method in entry.methods:
                return entry.methods[method]
        return None

    def overrides(self, name: str, method: str) -> Iterator[Scope]:
        """The methods of that name in all classes below `name`."""
        waiting = list(self.subclasses.get(name, ()))
        seen = {name}
        while waiting:
            below = waiting.pop(0)
            if below in seen:
                continue
            seen.add(below)
            found = self.classes[below].methods.get(method)
            if found is not None:
                yield found
            waiting.extend(self.subclasses.get(below, ()))


def last_step(func: Expr) -> str:
    """The name a call is written with: `all` of `session.query(M).all()`."""
    if isinstance(func, (Attribute, Name)):
        return func.name
    return ""


def program_of(modules: Mapping[str, ModuleFacts], knowledge: Knowledge) -> Program:
    """The tables of all modules."""
    ordered = sorted(modules.values(), key=lambda m: m.path)
    scopes = [
        Scope(key, module, function)
        for key, (module, function) in enumerate((m, f) for m in ordered for f in m.functions)
    ]
    functions: dict[str, Scope] = {}
    bodies: dict[str, Scope] = {}
    for scope in scopes:
        if scope.function is scope.module.body:
            bodies[scope.module.name] = scope
        else:
            functions[scope.dotted] = scope
    binds, calls = _indexed(scopes)
    names = names_of(modules)
    classes = _classes(ordered, names, functions, bodies, scopes)
    subclasses: dict[str, list[str]] = {}
    for entry in classes.values():
        for base in entry.bases:
            subclasses.setdefault(base, []).append(entry.dotted)
    return Program(
        knowledge=knowledge,
        names=names,
        scopes=tuple(scopes),
        functions=functions,
        bodies=bodies,
        classes=classes,
        subclasses={base: tuple(below) for base, below in subclasses.items()},
        binds=binds,
        calls=Calls(tuple(scopes), calls),
        properties=frozenset(_properties(scopes)),
        keys={id(scope.function): scope.key for scope in scopes},
    )


def _properties(scopes: list[Scope]) -> Iterator[str]:
    for scope in scopes:
        function = scope.function
        is_property = any(last_step(d) in PROPERTIES for d in function.decorators)
        if is_property and any(type(event) is Call for event in function.events):
            yield function.name


def _indexed(
    scopes: list[Scope],
) -> tuple[tuple[Mapping[str, tuple[int, ...]], ...], dict[str, array[int]]]:
    binds: list[Mapping[str, tuple[int, ...]]] = []
    calls: dict[str, array[int]] = {}
    for scope in scopes:
        own: dict[str, list[int]] = {}
        for index, event in enumerate(scope.function.events):
            kind = type(event)
            if kind is Call:
                name = last_step(event.func)  # type: ignore[union-attr]  # `kind` says so
                calls.setdefault(name, array("q")).append(scope.key << _BITS | index)
            elif kind is Bind:
                target = event.target  # type: ignore[union-attr]  # `kind` says so
                own.setdefault(target, []).append(index)
        binds.append({target: tuple(indices) for target, indices in own.items()})
    return tuple(binds), calls


def _classes(
    modules: list[ModuleFacts],
    names: Names,
    functions: Mapping[str, Scope],
    bodies: Mapping[str, Scope],
    scopes: list[Scope],
) -> dict[str, ClassEntry]:
    instance = _instance_binds(scopes)
    classes: dict[str, ClassEntry] = {}
    for module in modules:
        body = bodies[module.name]
        own = _class_binds(body)
        for facts in module.classes:
            name = f"{module.name}.{facts.qualname}"
            methods = {m: functions.get(f"{name}.{m}") for m in facts.methods}
            classes[name] = ClassEntry(
                dotted=name,
                module=module,
                facts=facts,
                bases=tuple(b for b in (_base(names, module, e) for e in facts.bases) if b),
                methods={m: scope for m, scope in methods.items() if scope is not None},
                own=own.get(facts.qualname, {}),
                instance=instance.get(name, {}),
            )
    return classes


def _base(names: Names, module: ModuleFacts, expr: Expr) -> str:
    """The class that a base names, its arguments left away: `Repository` of `Repository[User]`."""
    return names.resolve(module, expr.base if isinstance(expr, Subscript) else expr)


def _class_binds(body: Scope) -> dict[str, dict[str, Bound]]:
    """By qualified class name: the assignments of class bodies in a module body."""
    regions = {r.index: r.name for r in body.function.regions if r.kind == "class"}
    found: dict[str, dict[str, Bound]] = {}
    if not regions:
        return found
    for index, event in enumerate(body.function.events):
        if isinstance(event, Bind) and event.region in regions and event.kind != "define":
            found.setdefault(regions[event.region], {})[event.target] = Bound(body, index, event)
    return found


def _instance_binds(scopes: list[Scope]) -> dict[str, dict[str, tuple[Bound, ...]]]:
    """By dotted class name: what methods assign to attributes of their first parameter."""
    found: dict[str, dict[str, tuple[Bound, ...]]] = {}
    for scope in scopes:
        function = scope.function
        if not function.class_name or not function.parameters:
            continue
        prefix = f"{function.parameters[0].name}."
        for index, event in enumerate(function.events):
            if isinstance(event, Bind) and event.target.startswith(prefix):
                name = event.target[len(prefix) :]
                own = found.setdefault(f"{scope.module.name}.{function.class_name}", {})
                own[name] = (*own.get(name, ()), Bound(scope, index, event))
    return found
