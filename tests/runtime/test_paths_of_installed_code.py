"""Installed code is shown by the path below its site-packages folder, wherever that lies."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from auditor.runtime.sites import shown_path


def test_a_virtual_environment_below_the_working_directory_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / ".venv" / "lib" / "python3" / "site-packages"
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(installed)])
    shown = [
        shown_path(str(file), str(tmp_path))
        for file in (installed / "neutron" / "db" / "l3_db.py", tmp_path / "own" / "sync.py")
    ]
    assert shown == ["neutron/db/l3_db.py", "own/sync.py"]


def test_installed_code_that_is_on_no_path_is_relative_to_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [])
    file = tmp_path / "site-packages" / "own" / "sync.py"
    assert shown_path(str(file), str(tmp_path)) == "site-packages/own/sync.py"
