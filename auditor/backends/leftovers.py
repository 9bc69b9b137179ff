"""Folders that a killed process could not remove: named at the next run, each only once.

The number of the process that made a folder stands in its name, so that those of processes at work
are left alone.
"""

from __future__ import annotations

import logging
import os
import shlex
from pathlib import Path

_LOG = logging.getLogger("auditor")
_MENTIONED: set[Path] = set()


def folder_prefix(prefix: str) -> str:
    """How the name of a folder of this process begins."""
    return f"{prefix}{os.getpid()}_"


def left_behind(parent: Path, prefix: str) -> list[Path]:
    """The folders in `parent` of this prefix and user whose process is no more."""
    return sorted(one for one in parent.glob(f"{prefix}*_*") if _is_left(one, prefix))


def mention_left_behind(parent: Path, prefix: str, what: str) -> None:
    """Warn of such folders, with the command that removes them."""
    left = [one for one in left_behind(parent, prefix) if one not in _MENTIONED]
    _MENTIONED.update(left)
    if left:
        _LOG.warning(
            "auditor: %s of earlier runs that were killed are left; remove them with: rm -r %s",
            what,
            shlex.join(map(str, left)),
        )


def _is_left(folder: Path, prefix: str) -> bool:
    number = folder.name.removeprefix(prefix).partition("_")[0]
    if not number.isdigit():
        return False
    try:
        if folder.stat().st_uid != os.getuid():
            return False
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # removed meanwhile, or the process is another user's
        return False
    return False
