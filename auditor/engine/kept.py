"""Whole reports of scans, kept: a scan of which nothing changed is not done again.

A report is kept under a hash of all that made it: the version of the tool and of every plug-in, the
settings, and path, module name and content of each file. It is a pickle that may hold findings and
problems and nothing else; a broken, foreign or half-written entry is the same as none. Entries are
written to a temporary name and moved, so concurrent scans are safe.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import importlib.metadata
import io
import os
import pickle
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from auditor.model import evidence, finding, report, span
from auditor.model.report import Report
from auditor.model.settings import Settings
from auditor.source.cache import write_entry
from auditor.source.content import NotRead, content_of
from auditor.source.discover import Discovery

_FORMAT = "1"
_MOST = 32
"""Reports kept; each scan of something else adds one of some hundred kilobytes."""
_GROUPS = ("auditor.rules", "auditor.knowledge")
_ALLOWED = {
    (value.__module__, name): value
    for home in (evidence, finding, report, span)
    for name, value in vars(home).items()
    if isinstance(value, type)
    and value.__module__ == home.__name__
    and (dataclasses.is_dataclass(value) or issubclass(value, enum.Enum))
}
"""The classes that may stand in an entry, by module and name."""


def key_of(found: Discovery, settings: Settings) -> str:
    """The name of the report of these files as they are now."""
    digest = hashlib.sha256(f"{_FORMAT}\0{sys.version}\0{_code_version()}".encode())
    shaping = replace(settings, jobs=0, cache_dir="")
    left_out = (found.tests_left_out, found.excluded, found.problems)
    digest.update(repr((shaping, left_out)).encode("utf-8", "backslashreplace"))
    for file in found.files:
        try:
            content = content_of(file.file)
        except NotRead as error:
            content = str(error).encode("utf-8", "backslashreplace")
        named = f"\0{file.path}\0{file.module}\0{file.is_test}\0{len(content)}\0"
        digest.update(named.encode("utf-8", "surrogatepass"))
        digest.update(content)
    return digest.hexdigest()


def load(folder: Path, key: str) -> Report | None:
    """The kept report, None if there is none that can be used."""
    try:
        found = _Reports(io.BytesIO(_entry(folder, key).read_bytes())).load()
    except Exception:  # noqa: BLE001 - whatever is wrong with an entry, the scan is done instead
        return None
    return found if isinstance(found, Report) else None


def store(folder: Path, key: str, done: Report) -> None:
    """Keep a report, and let the oldest go; a folder that cannot be written is left alone."""
    kept = io.BytesIO()
    try:
        _Writer(kept, protocol=5).dump(replace(done, counted=dict(done.counted)))
    except (pickle.PicklingError, RecursionError, TypeError, AttributeError):
        return  # a plug-in's evidence of its own
    entry = _entry(folder, key)
    write_entry(entry, kept.getvalue())
    _let_go(entry.parent)


def _let_go(folder: Path) -> None:
    try:
        entries = sorted(folder.glob("*.report"), key=lambda e: e.stat().st_mtime, reverse=True)
        for entry in entries[_MOST:]:
            entry.unlink(missing_ok=True)
    except OSError:  # another scan was quicker
        return


def _entry(folder: Path, key: str) -> Path:
    return folder / "reports" / f"{key}.report"


def _code_version() -> str:
    """Changes whenever any code that takes part in a scan changes, plug-ins included."""
    points = [p for group in _GROUPS for p in importlib.metadata.entry_points(group=group)]
    packages = {"auditor", *(point.module.partition(".")[0] for point in points)}
    seen = [(point.group, point.name, point.value) for point in points]
    return repr((sorted(seen), [_sources(package) for package in sorted(packages)]))


def _sources(package: str) -> list[tuple[str, int, int]]:
    """Path, time and size of each source file of a package, which is not imported."""
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    if spec is None or not folders:
        return [_stamp(spec.origin)] if spec and spec.origin else []
    return sorted(_stamp(file) for folder in folders for file in _python_files(folder))


def _python_files(folder: str) -> Iterator[str]:
    for inner, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".py"):
                yield os.path.join(inner, name)


def _stamp(file: str) -> tuple[str, int, int]:
    found = os.stat(file)
    return file, found.st_mtime_ns, found.st_size


class _Writer(pickle.Pickler):
    """Writes members of enumerations by their value; some Pythons name `getattr` for them."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, enum.Enum):
            return type(value), (value.value,)
        return NotImplemented


class _Reports(pickle.Unpickler):
    """Loads reports of scans and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"`{module}.{name}` is not part of a report") from None


def is_repeatable(done: Report, found: Discovery) -> bool:
    """Whether another scan of the same files would say the same: what is missing from the report is
    missing because of the files, not because the tool or a plug-in failed."""
    because = {file.path for file in found.files} | {problem.subject for problem in found.problems}
    hiding = {problem.subject for problem in done.problems if problem.hides_results}
    return hiding <= because | {"scan"}
