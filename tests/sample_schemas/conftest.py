"""The metering sample as a test sees it: its modules, and a service on a fresh SQLite file."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(__file__).parent.parent.parent / "sample_schemas"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Imports a module of the sample by its name there."""
    if str(SAMPLES) not in sys.path:
        monkeypatch.syspath_prepend(str(SAMPLES))
    return lambda name: importlib.import_module(f"metering.{name}")


@pytest.fixture
def service(module: Callable[[str], Any], tmp_path: Path) -> Any:
    """A context of the metering service on an empty database."""
    return module("facade").bind(f"sqlite:///{tmp_path}/metering.db")
