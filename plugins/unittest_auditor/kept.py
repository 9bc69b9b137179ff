"""Reviewed files that several workers write: each adds its sections, one at a time.

The folder of the file is locked meanwhile, and the file is replaced whole, so that nobody reads
half of it and no section of another worker is lost.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from auditor.cli.output import write_atomically
from auditor.model.errors import SettingsError
from auditor.runtime import budgets, snapshots
from auditor.runtime.reviewed_file import Lines
from unittest_auditor.settings import REWRITE

UPDATE = "AUDITOR_UPDATE=1 stestr run"


def add_snapshots(path: Path, new: Mapping[str, Lines]) -> None:
    """Puts sections into a file of snapshots; a damaged file is written anew."""
    path.parent.mkdir(exist_ok=True)
    with _locked(path.parent):
        try:
            known = snapshots.read(path, UPDATE)
        except SettingsError:
            known = {}
        if {**known, **new} != known:
            write_atomically(path, snapshots.text_of({**known, **new}, UPDATE))


def add_budgets(path: Path, new: Mapping[str, budgets.Measured]) -> None:
    """Puts the measured budgets of tests into their file. Raises SettingsError if what is there is
    no file of budgets."""
    with _locked(path.parent):
        known = budgets.read(path, REWRITE) if path.exists() else {}
        if {**known, **new} != known:
            write_atomically(path, budgets.text_of({**known, **new}, REWRITE))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
