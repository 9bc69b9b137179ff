"""Files to facts: read, filter, parse or load from the cache, in several processes.

A file without any word of database code is not parsed; it is counted. A file that cannot be read
is a Problem, and the rest goes on.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from auditor.model.finding import Problem
from auditor.source import cache, words
from auditor.source.content import NotRead, content_of
from auditor.source.discover import SourceFile
from auditor.source.facts import ModuleFacts
from auditor.source.parse import NotParsed, parse_module

_CHUNK = 16
_WORTH_A_PROCESS = 200
"""Files; below, starting processes costs more than it saves."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Reading:
    """The modules read, what could not be, and how many files were passed over or came cached."""

    modules: tuple[ModuleFacts, ...]
    problems: tuple[Problem, ...]
    passed_over: int
    cached: int


def read_files(
    files: Sequence[SourceFile],
    *,
    jobs: int = 0,
    cache_folder: Path | None = None,
    progress: Progress | None = None,
    every: bool = False,
) -> Reading:
    """The facts of all files, in the order given. `jobs` 0 is one process for each core. With
    `every`, files without any word of database code are parsed too.

    This process reads what is cached; only what must be parsed goes to others, and comes back as
    the same bytes that the cache keeps.
    """
    with collector_off():
        known = [_known(file, cache_folder, every=every) for file in files]
        missing = [file for file, found in zip(files, known, strict=True) if found is None]
        parsed = iter(_parse_all(missing, jobs, cache_folder, progress))
        return _joined([found or next(parsed) for found in known])


def _parse_all(
    files: Sequence[SourceFile], jobs: int, cache_folder: Path | None, progress: Progress | None
) -> list[Reading]:
    workers = jobs or os.cpu_count() or 1
    if workers == 1 or len(files) < _WORTH_A_PROCESS:
        return [_parsed(file, cache_folder) for file in files]
    chunks = [files[i : i + _CHUNK] for i in range(0, len(files), _CHUNK)]
    context = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")
    done: list[Reading] = []
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for chunk, results in zip(
            chunks, pool.map(_parse_chunk, chunks, [cache_folder] * len(chunks)), strict=True
        ):
            done.extend(map(_as_reading, chunk, results))
            if progress is not None:
                progress(len(done), len(files))
    return done


def _joined(parts: Sequence[Reading]) -> Reading:
    return Reading(
        modules=tuple(module for part in parts for module in part.modules),
        problems=tuple(problem for part in parts for problem in part.problems),
        passed_over=sum(part.passed_over for part in parts),
        cached=sum(part.cached for part in parts),
    )


@contextmanager
def collector_off() -> Iterator[None]:
    """Trees, facts and what is found about them have no cycles worth finding: half of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _known(file: SourceFile, cache_folder: Path | None, *, every: bool) -> Reading | None:
    """What is known of a file without parsing it; None if it must be parsed."""
    try:
        source = content_of(file.file)
    except NotRead as error:
        return _failed(file, str(error))
    has_text = b"\0" not in source  # without: UTF-16 or no source at all; parsing tells why
    if not every and has_text and not words.is_of_databases(source):
        return Reading((), (), 1, 0)
    if cache_folder is not None:
        module = cache.load(cache_folder, cache.key_of(source, file))
        if module is not None:
            return Reading((module,), (), 0, 1)
    return None


def _parse_chunk(
    files: Sequence[SourceFile], cache_folder: Path | None
) -> list[bytes | str | None]:
    with collector_off():
        return [_parse(file, cache_folder) for file in files]


def _parsed(file: SourceFile, cache_folder: Path | None) -> Reading:
    """The facts of a file parsed in this process."""
    found = _facts_of(file)
    if isinstance(found, str):
        return _failed(file, found)
    if cache_folder is not None:
        _stored(file, *found, cache_folder)
    return Reading((found[0],), (), 0, 0)


def _parse(file: SourceFile, cache_folder: Path | None) -> bytes | str | None:
    """The facts as the cache keeps them, or why there are none; None if they are nested too deeply
    to go from one process to another."""
    found = _facts_of(file)
    return found if isinstance(found, str) else _stored(file, *found, cache_folder)


def _facts_of(file: SourceFile) -> tuple[ModuleFacts, bytes] | str:
    """The facts of a file and its source, or why there are none."""
    try:
        source = content_of(file.file)
        module = parse_module(
            file.path, file.module, source, is_package=file.is_package, is_test=file.is_test
        )
        return module, source
    except NotRead as error:
        return str(error)
    except NotParsed as error:
        return f"not parsed: {error}"


def _stored(
    file: SourceFile, module: ModuleFacts, source: bytes, cache_folder: Path | None
) -> bytes | None:
    """The facts as bytes, put into the cache if there is one; None if they nest too deeply."""
    kept = cache.dumped(module)
    if cache_folder is not None and kept is not None:
        cache.store(cache_folder, cache.key_of(source, file), kept)
    return kept


def _as_reading(file: SourceFile, parsed: bytes | str | None) -> Reading:
    if parsed is None:
        return _parsed(file, None)
    if isinstance(parsed, str):
        return _failed(file, parsed)
    module = cache.loaded(parsed)
    return Reading((module,) if module else (), (), 0, 0)


def _failed(file: SourceFile, message: str) -> Reading:
    return Reading((), (Problem(file.path, message, hides_results=True),), 0, 0)
