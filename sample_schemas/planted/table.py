"""All pairs, theme by theme; those whose libraries are not installed are named, and left out."""

from __future__ import annotations

import importlib
import importlib.util
import sys

from planted.pair import Pair

THEMES = (
    ("swallowed_plain", "sqlalchemy"),
    ("handlers_plain", "sqlalchemy"),
    ("transactions_plain", "sqlalchemy"),
    ("sessions_plain", "sqlalchemy"),
    ("retries_plain", "sqlalchemy"),
    ("rivals_plain", "sqlalchemy"),
    ("concurrent", "greenlet"),
    ("handlers_oslo", "oslo_db"),
    ("retries_oslo", "oslo_db"),
    ("effects_oslo", "oslo_db"),
    ("retries_tenacity", "tenacity"),
)
"""The module of a theme, and the package that it cannot do without."""


def pairs() -> tuple[Pair, ...]:
    """Every pair that can be imported here, in the order of the themes."""
    return tuple(
        pair for theme in importable() for pair in pairs_of(theme) if sys.version_info >= pair.since
    )


def pairs_of(theme: str) -> tuple[Pair, ...]:
    """The pairs of one theme."""
    found: tuple[Pair, ...] = importlib.import_module(f"planted.{theme}").PAIRS
    return found


def importable() -> tuple[str, ...]:
    """The themes whose package is installed."""
    return tuple(theme for theme, package in THEMES if importlib.util.find_spec(package))
