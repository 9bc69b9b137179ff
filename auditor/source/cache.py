"""The facts cache: one file for each distinct source, named by a hash of all that made it.

A cache entry is a pickle that may hold nothing but facts: any other class in it is refused, so a
cache folder that somebody else filled cannot run code. A broken, foreign or half-written entry is
the same as none. Entries are written to a temporary name and moved, so concurrent scans are safe.
"""

from __future__ import annotations

import copyreg
import hashlib
import io
import os
import pickle
import sys
import tempfile
from pathlib import Path
from typing import Any

from auditor.source import expressions, facts
from auditor.source.discover import SourceFile
from auditor.source.facts import ModuleFacts

_FORMAT = "1"
_ALLOWED = {
    (value.__module__, name): value
    for home in (facts, expressions)
    for name, value in vars(home).items()
    if isinstance(value, type) and hasattr(value, "_fields")
}
"""The classes that may stand in an entry, by module and name."""


def key_of(source: bytes, file: SourceFile) -> str:
    """The name of the entry for this source: tool and Python version and what the facts of the file
    depend on besides are included."""
    digest = hashlib.sha256(source)
    tool = f"{_FORMAT}\0{sys.version_info[:2]}\0{_facts_version()}"
    named = f"\0{tool}\0{file.path}\0{file.module}\0{file.is_test}"
    digest.update(named.encode("utf-8", "surrogatepass"))  # odd file names have half characters
    return digest.hexdigest()


def _facts_version() -> str:
    """Changes whenever the shape of facts, or the code that makes them, changes."""
    global _version  # noqa: PLW0603 - computed once a process
    if not _version:
        folder = Path(__file__).parent
        names = (
            "build",
            "expressions",
            "facts",
            "lower",
            "parse",
            "statements",
            "strings",
            "suppress",
            "words",
        )
        parts = b"".join((folder / f"{name}.py").read_bytes() for name in names)
        _version = hashlib.sha256(parts).hexdigest()
    return _version


_version = ""


def dumped(module: ModuleFacts) -> bytes | None:
    """The facts as bytes; None if they are nested too deeply to be kept."""
    kept = io.BytesIO()
    try:
        _Writer(kept, protocol=5).dump(module)
    except RecursionError:
        return None
    return kept.getvalue()


def loaded(kept: bytes) -> ModuleFacts | None:
    """The facts that `dumped` made; None for anything else."""
    try:
        found = _Facts(io.BytesIO(kept)).load()
    except Exception:  # noqa: BLE001 - whatever is wrong with an entry, the source is read instead
        return None
    return found if isinstance(found, ModuleFacts) else None


def load(folder: Path, key: str) -> ModuleFacts | None:
    """The cached facts, None if there are none that can be used."""
    try:
        return loaded(_entry(folder, key).read_bytes())
    except OSError:
        return None


def store(folder: Path, key: str, kept: bytes) -> None:
    """Keep dumped facts; a folder that cannot be written is left alone."""
    write_entry(_entry(folder, key), kept)


def write_entry(entry: Path, kept: bytes) -> None:
    """Write a file whole or not at all, its folder too; where that is not possible, do nothing."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=entry.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(kept)
        os.replace(name, entry)
    except OSError:
        return


def default_folder() -> Path:
    """`auditor/facts` in the user's cache folder (XDG_CACHE_HOME)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "auditor" / "facts"


def _entry(folder: Path, key: str) -> Path:
    return folder / key[:2] / f"{key[2:]}.facts"


def _reduction(fact: Any) -> tuple[Any, ...]:
    return copyreg.__newobj__, (type(fact), *fact)  # type: ignore[attr-defined]  # not in typeshed


class _Writer(pickle.Pickler):
    """Writes facts as `pickle.dumps` does, without asking each how it wants to be written, which
    takes a third of the time."""

    dispatch_table = dict.fromkeys(_ALLOWED.values(), _reduction)


class _Facts(pickle.Unpickler):
    """Loads tuples of facts and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"`{module}.{name}` is not a fact") from None
