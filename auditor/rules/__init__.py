"""The built-in rules: every module below this package that has a `RULE`, one file a rule.

`RULES` is what the entry point `auditor.rules` gives. Adding a rule is adding a file.
"""

from __future__ import annotations

import importlib
import pkgutil

from auditor.rule import Rule


def _built_in() -> tuple[Rule, ...]:
    names = sorted(found.name for found in pkgutil.walk_packages(__path__, f"{__name__}."))
    modules = (importlib.import_module(name) for name in names)
    rules = (getattr(module, "RULE", None) for module in modules)
    return tuple(rule for rule in rules if isinstance(rule, Rule))


RULES: tuple[Rule, ...] = _built_in()
