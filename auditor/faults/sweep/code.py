"""Which code a process runs: a digest for each file that it has loaded."""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from auditor.runtime.sites import shown_path

_DIGEST_BYTES = 8


def digests_of_code(root: str) -> Mapping[str, str]:
    """For each loaded Python file outside the standard library, named as in reports, a digest of
    what it holds now."""
    library = sysconfig.get_path("stdlib")
    found: dict[str, str] = {}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.endswith(".py"):
            continue
        is_standard = file.startswith(library) and "site-packages" not in file
        if not is_standard:
            found[shown_path(file, root)] = _digest(file)
    return dict(sorted(found.items()))


def changed_files(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """The files of both whose digests differ. One that only one process has loaded proves nothing:
    modules are imported when they are needed."""
    return tuple(name for name in before if name in now and before[name] != now[name])


def _digest(file: str) -> str:
    try:
        content = Path(file).read_bytes()
    except OSError:  # imported from an archive, or removed since
        return ""
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()
