"""What plug-ins bring: rules, knowledge tables and renderers, found through entry points.

    group                 an entry point loads to
    auditor.rules         a sequence of `Rule`
    auditor.knowledge     a table, or a sequence of tables, of `auditor.knowledge`
    auditor.renderers     a function `Report -> str`; the entry point's name is the format

The built-ins come through the same door. A plug-in that does not load becomes a Problem, and the
rest goes on. In a source checkout that is not installed there are no entry points: the built-ins
are then loaded by name.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from auditor.model.finding import Problem
from auditor.rule import Rule

OWN_PACKAGE = "sqlalchemy-auditor"

_BUILT_IN = {
    "auditor.rules": ("builtin", "auditor.rules:RULES"),
    "auditor.knowledge": ("builtin", "auditor.knowledge:TABLES"),
}


class Door(Protocol):
    """The part of `importlib.metadata.EntryPoint` that is used here."""

    @property
    def name(self) -> str: ...

    @property
    def value(self) -> str: ...

    def load(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A door of this project itself, for a checkout that is not installed."""

    name: str
    value: str

    def load(self) -> Any:
        module, _, attribute = self.value.partition(":")
        return getattr(importlib.import_module(module), attribute)


@dataclass(frozen=True, slots=True)
class Plugged:
    """What one plug-in gave: `door` is `name (package)`, as messages name it."""

    name: str
    door: str
    value: Any


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All rules, ordered by code, and what went wrong while they were loaded."""

    rules: tuple[Rule, ...]
    problems: tuple[Problem, ...] = ()

    def rule(self, code: str) -> Rule | None:
        """The rule of a code (`DBA301`, or `301` of ours) or a name, None if there is none."""
        wanted = f"DBA{code}" if code.isdigit() else code.upper()
        return next((r for r in self.rules if wanted in (r.code, r.name.upper())), None)


def doors(group: str) -> tuple[Door, ...]:
    """The entry points of a group, in the order of their names; the built-in one is first."""
    found: list[Door] = list(importlib.metadata.entry_points(group=group))
    name, value = _BUILT_IN.get(group, ("", ""))
    if value and not any(door.value == value for door in found):
        found.append(BuiltIn(name, value))
    return tuple(sorted(found, key=lambda door: (door.value != value, door.name, door.value)))


def loaded(found: Iterable[Door]) -> tuple[tuple[Plugged, ...], tuple[Problem, ...]]:
    """What the doors give; one that does not load becomes a Problem."""
    plugged: list[Plugged] = []
    problems: list[Problem] = []
    for door in found:
        named = f"{door.name} ({_package_of(door)})"
        try:
            plugged.append(Plugged(door.name, named, door.load()))
        except Exception as error:  # noqa: BLE001 - isolation point: a plug-in's import runs any code
            problems.append(
                broken(named, f"`{door.value}` does not load: {type(error).__name__}: {error}")
            )
    return tuple(plugged), tuple(problems)


def catalogue(found: Iterable[Door] | None = None) -> Catalogue:
    """All rules of the built-ins and of plug-ins. The first of two rules with one code is kept."""
    plugged, problems = loaded(doors("auditor.rules") if found is None else found)
    rules: dict[str, Rule] = {}
    said = list(problems)
    for one in plugged:
        given = one.value if isinstance(one.value, (tuple, list)) else (one.value,)
        for rule in given:
            complaint = _complaint_on(rule, rules)
            if complaint:
                said.append(broken(one.door, complaint))
            else:
                rules[rule.code] = rule
    return Catalogue(tuple(rules[code] for code in sorted(rules)), tuple(said))


def renderers(
    found: Iterable[Door] | None = None,
) -> tuple[dict[str, Callable[..., str]], tuple[Problem, ...]]:
    """The formats that plug-ins add, by name."""
    plugged, problems = loaded(doors("auditor.renderers") if found is None else found)
    bad = tuple(
        broken(one.door, f"gave `{one.value!r}`, not a function from a report to text")
        for one in plugged
        if not callable(one.value)
    )
    return {one.name: one.value for one in plugged if callable(one.value)}, problems + bad


def knowledge(
    found: Iterable[Door] | None = None,
) -> tuple[tuple[Plugged, ...], tuple[Problem, ...]]:
    """The knowledge tables of the built-ins and of plug-ins, as they gave them."""
    return loaded(doors("auditor.knowledge") if found is None else found)


def _complaint_on(rule: object, known: dict[str, Rule]) -> str:
    if not isinstance(rule, Rule):
        return f"gave `{rule!r:.80}`, not a Rule"
    if rule.code in known:
        return f"gives a second rule `{rule.code}` ({rule.name}); the first one is kept"
    return ""


def _package_of(door: Door) -> str:
    distribution = getattr(door, "dist", None)
    return getattr(distribution, "name", None) or OWN_PACKAGE


def broken(door: str, message: str) -> Problem:
    """A Problem with a plug-in: what it would have added is missing."""
    return Problem(f"plug-in {door}", message, hides_results=True)
