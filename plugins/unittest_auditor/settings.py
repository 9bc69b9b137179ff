"""What the environment says, read once a process. Runners start workers that share nothing else.

    AUDITOR_FAIL=1                 a test with a finding in its body fails
    AUDITOR_BASELINE=FILE          known findings are no reason to
    AUDITOR_BUDGETS=FILE           a test that executes more than its measured budget fails
    AUDITOR_WRITE_BUDGETS=FILE     the budgets of tests that pass are written
    AUDITOR_UPDATE=1               snapshots are written anew

Files are found from the folder where `auditor record` was started, or the working directory.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from auditor import baseline, config
from auditor.baseline import Known
from auditor.model.errors import SettingsError
from auditor.model.settings import Settings
from auditor.runtime import budgets

ROOT = "AUDITOR_RECORD_ROOT"  # set by `auditor record`
NAMES = (
    "AUDITOR_FAIL",
    "AUDITOR_BASELINE",
    "AUDITOR_BUDGETS",
    "AUDITOR_WRITE_BUDGETS",
    "AUDITOR_UPDATE",
    ROOT,
)
REWRITE = "AUDITOR_WRITE_BUDGETS=FILE stestr run"
_FLAGS = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The variables with their files found and read. `written` is the file to write budgets to;
    with it, none are kept to."""

    root: str
    settings: Settings
    is_failing: bool
    is_update: bool
    baseline: Path | None
    known: tuple[Known, ...]
    budgets: dict[str, dict[str, int]] | None
    written: Path | None


def chosen() -> Chosen:
    """What the environment of this process says. Raises SettingsError."""
    return _chosen(tuple(os.environ.get(name, "") for name in NAMES))


def is_on_ci() -> bool:
    """Whether nobody would review and commit a file that is written here: where `CI` or
    `BUILD_NUMBER` is set, as pytest has it."""
    values = (os.environ.get(name, "").lower() for name in ("CI", "BUILD_NUMBER"))
    return any(value not in {"", "0", "false"} for value in values)


@lru_cache(maxsize=16)
def _chosen(values: tuple[str, ...]) -> Chosen:
    given = dict(zip(NAMES, values, strict=True))
    root = Path(given[ROOT] or Path.cwd())
    known = _file(root, given["AUDITOR_BASELINE"])
    limits = _file(root, given["AUDITOR_BUDGETS"])
    written = _file(root, given["AUDITOR_WRITE_BUDGETS"])
    if written is not None and not written.parent.is_dir():
        raise SettingsError(
            f"AUDITOR_WRITE_BUDGETS: cannot write `{written.name}`: there is no folder"
            f" `{written.parent.name}`"
        )
    return Chosen(
        root=str(root),
        settings=config.load(root),
        is_failing=_flag("AUDITOR_FAIL", given["AUDITOR_FAIL"]),
        is_update=_flag("AUDITOR_UPDATE", given["AUDITOR_UPDATE"]),
        baseline=known,
        known=baseline.read(known) if known else (),
        budgets=budgets.read(limits, REWRITE) if limits and not written else None,
        written=written,
    )


def _file(root: Path, value: str) -> Path | None:
    return root / value if value else None


def _flag(name: str, value: str) -> bool:
    if value.lower() not in _FLAGS:
        raise SettingsError(f"{name} is `{value[:60]}`: write 1 or 0")
    return _FLAGS[value.lower()]
