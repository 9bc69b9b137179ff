"""Finds scenarios by what the user wrote.

    file.py             all scenarios of a file
    file.py::name       one of them
    package.module      all scenarios of a module that can be imported
    package.module:name one of them
    group               all scenarios that a plug-in registered as `group`
    group.name          one of them (its scenarios are named `group.name`)

A plug-in registers a module that holds scenarios under the entry-point group `auditor.scenarios`.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from auditor.growth.blame import blamed
from auditor.growth.scenario import Scenario
from auditor.model.errors import ScenarioError
from auditor.model.finding import Problem

GROUP = "auditor.scenarios"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Scenarios in the order they were asked for, each once, and the plug-ins that did not load."""

    scenarios: tuple[Scenario, ...]
    problems: tuple[Problem, ...] = ()


def load_scenarios(targets: Sequence[str]) -> Loaded:
    """The scenarios that the targets name. Raises ScenarioError for one that is not found, saying
    what was, or whose file does not run."""
    found = tuple(one for target in targets for one in _of_target(target))
    return Loaded(tuple({id(scenario): scenario for scenario in found}.values()))


def registered() -> Loaded:
    """All scenarios of all plug-ins; one that does not load is a Problem."""
    scenarios: list[Scenario] = []
    problems = []
    for entry in _entry_points():
        try:
            scenarios += _scenarios_of(_loaded(entry))
        except ScenarioError as error:
            problems.append(Problem(f"plug-in {entry.name}", str(error), hides_results=True))
    return Loaded(tuple(scenarios), tuple(problems))


def _of_target(target: str) -> tuple[Scenario, ...]:
    place, separator, name = target.partition("::")
    if separator or place.endswith(".py"):
        return _chosen(target, name, _scenarios_of(_module_of_file(Path(place))), f"`{place}`")
    module, separator, name = target.partition(":")
    if separator:
        return _chosen(target, name, _scenarios_of(_imported(module)), f"`{module}`")
    return _of_group(target)


def _of_group(target: str) -> tuple[Scenario, ...]:
    group, _, name = target.partition(".")
    entries = [entry for entry in _entry_points() if entry.name == group]
    if entries:
        found = tuple(one for entry in entries for one in _scenarios_of(_loaded(entry)))
        return _chosen(target, target if name else "", found, f"the plug-in `{group}`")
    if Path(target).is_dir() or not _can_be_imported(target):
        raise ScenarioError(_not_found(target))
    return _chosen(target, "", _scenarios_of(_imported(target)), f"`{target}`")


def _chosen(
    target: str, name: str, found: tuple[Scenario, ...], where: str
) -> tuple[Scenario, ...]:
    if not found:
        raise ScenarioError(
            f"`{target}`: {where} holds no scenario; a scenario is a function decorated with"
            " `@auditor.scenario(sizes={...})`"
        )
    if not name:
        return found
    chosen = tuple(one for one in found if name in (one.name, _own_name(one)))
    if not chosen:
        names = [one.name for one in found]
        raise ScenarioError(
            f"`{target}`: {where} holds no scenario `{name}`; {_suggestion(name, names)}"
        )
    return chosen


def _not_found(target: str) -> str:
    all_registered = registered()
    names = [scenario.name for scenario in all_registered.scenarios]
    broken = "".join(f"; {one.subject}: {one.message}" for one in all_registered.problems)
    return (
        f"`{target}` names no scenario: it is no registered name and no module that can be"
        f" imported, and a file is written `path/to/file.py`; {_suggestion(target, names)}{broken}"
    )


def _suggestion(wanted: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(f"`{name}`" for name in near)
    if not names:
        return "no scenarios are registered"
    return "found: " + ", ".join(f"`{name}`" for name in sorted(names))


def _own_name(scenario: Scenario) -> str:
    return str(getattr(scenario.populate, "__name__", scenario.name))


def _scenarios_of(module: ModuleType) -> tuple[Scenario, ...]:
    """The module's scenarios in the order they are written, each once."""
    values = [value for value in vars(module).values() if isinstance(value, Scenario)]
    return tuple({id(value): value for value in values}.values())


def _entry_points() -> tuple[importlib.metadata.EntryPoint, ...]:
    found = importlib.metadata.entry_points(group=GROUP)
    return tuple(sorted(found, key=lambda entry: (entry.name, entry.value)))


def _loaded(entry: importlib.metadata.EntryPoint) -> ModuleType:
    return _imported(entry.value, of=f"the plug-in `{entry.name}` (`{entry.value}`)")


def _can_be_imported(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _module_of_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ScenarioError(f"`{path}`: there is no such file")
    root, name = _place_in_packages(path.resolve())
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    known = sys.modules.get(name)
    if known is not None and not _is_of(known, path):  # another module has that name already
        name = f"auditor_scenarios_of_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if known is not None and _is_of(known, path):
        return known
    if spec is None or spec.loader is None:
        raise ScenarioError(f"`{path}` cannot be loaded as a Python file")
    if "." in name:
        return _imported(name, of=f"`{path}`")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ScenarioError(f"`{path}` does not run: {blamed(error)}") from error
    return module


def _place_in_packages(path: Path) -> tuple[Path, str]:
    """The folder to import from, and the module's name from there: folders that hold an
    `__init__.py` are packages."""
    parts = [path.stem]
    folder = path.parent
    while (folder / "__init__.py").exists():
        parts.append(folder.name)
        folder = folder.parent
    return folder, ".".join(reversed(parts))


def _is_of(module: ModuleType, path: Path) -> bool:
    own = getattr(module, "__file__", None)
    return own is not None and Path(own).resolve() == path.resolve()


def _imported(name: str, of: str = "") -> ModuleType:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as `python -m` does
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise ScenarioError(f"{of or f'`{name}`'} cannot be imported: {blamed(error)}") from error
