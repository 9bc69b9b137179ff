"""Runs a small program on a real engine and gives the tape: examples of rules, and scenarios.

The program is one or more files in a folder of their own; the last one has

    def prepare(engine): ...        # optional: makes tables and rows, not recorded, sync engine
    def run(engine): ...            # recorded; `async def` for an async engine

Both engines work on one SQLite file in that folder, so sessions and threads see each other's rows.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import create_engine

from auditor.model.tape import Tape
from auditor.runtime.recorder import record

_MAIN = "auditor_rehearsal"


def rehearsed(files: Sequence[tuple[str, str]], folder: Path) -> Tape:
    """Writes the files (path and source) below `folder`, runs the last one, and gives its tape with
    paths relative to `folder`. What the program raises is raised on."""
    for path, source in files:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
    with _importable(folder):
        program = _imported(folder / files[-1][0])
        return _recorded(program, folder)


def _recorded(program: ModuleType, folder: Path) -> Tape:
    address = f"{(folder / 'rehearsal.db').as_posix()}"
    engine = create_engine(f"sqlite:///{address}")
    try:
        if hasattr(program, "prepare"):
            program.prepare(engine)
        if inspect.iscoroutinefunction(program.run):
            return asyncio.run(_recorded_async(program, address, folder))
        with record(engine, root=str(folder)) as recording:
            program.run(engine)
        return recording.tape
    finally:
        engine.dispose()


async def _recorded_async(program: ModuleType, address: str, folder: Path) -> Tape:
    from sqlalchemy.ext.asyncio import create_async_engine  # lazy: needs greenlet and aiosqlite

    engine: Any = create_async_engine(f"sqlite+aiosqlite:///{address}")
    try:
        with record(engine, root=str(folder)) as recording:
            await program.run(engine)
        return recording.tape
    finally:
        await engine.dispose()


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Lets the program import its other files; what it imported is forgotten afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if file.startswith(str(folder)):
                del sys.modules[name]


def _imported(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(_MAIN, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"`{file}` is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MAIN] = module  # mapped classes look names up in their module
    spec.loader.exec_module(module)
    return module
