"""Raw stacks to call paths: which lines of the user's program led to a statement.

A raw stack is a tuple of (code object id, instruction offset) pairs, innermost first: all that the
hot path can afford. Here, once per distinct stack, it becomes `Frame`s and loses what is not the
user's: SQLAlchemy, the standard library, test runners and this project.
"""

from __future__ import annotations

import itertools
import os
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType

from auditor.model.span import Frame
from auditor.model.tape import UNKNOWN_FRAME, Site

LIBRARIES = frozenset(
    """
    sqlalchemy oslo_db greenlet aiosqlite asyncpg psycopg psycopg2 pymysql MySQLdb aiomysql
    auditor pytest_auditor unittest_auditor auditor_openstack
    pytest _pytest pluggy xdist execnet pytest_asyncio anyio unittest testtools stestr subunit
    fixtures testscenarios coverage
    """.split()
)
"""Packages that never are the user's program."""

PLUMBING = frozenset(
    """
    neutron_lib oslo_versionedobjects oslo_utils oslo_concurrency oslo_log oslo_service osprofiler
    debtcollector wrapt decorator tenacity eventlet futurist
    sqlmodel flask_sqlalchemy sqlalchemy_utils alembic
    """.split()
)
"""Packages between the user's program and SQLAlchemy: left out unless nothing else remains."""

_STDLIB = tuple(
    f"{os.path.realpath(path)}{os.sep}"
    for name, path in sysconfig.get_paths().items()
    if name in {"stdlib", "platstdlib"}
)
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_STARTER = "execnet"
_FOLDED = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>"})
_SCRIPTS = f"{sysconfig.get_path('scripts')}{os.sep}"  # what pip makes of entry points
_CHECKED_OUT = frozenset({"sqlalchemy", "oslo_db", "pytest_auditor", "unittest_auditor"})
"""Packages that are known where they are not installed but worked on. Only the outermost package of
a file counts: `nova/db/sqlalchemy/api.py` is Nova's."""
_OWN = f"{Path(__file__).resolve().parents[1]}{os.sep}"

Place = tuple[CodeType, int]

try:
    import greenlet  # type: ignore[import-untyped]
except ModuleNotFoundError:  # SQLAlchemy without its asyncio part: there is no async engine
    greenlet = None


def frame_behind_greenlet() -> FrameType | None:
    """The frame that waits for the current greenlet: under an async engine, the coroutine that
    awaits the statement. None outside a greenlet."""
    parent = greenlet.getcurrent().parent
    return None if parent is None else parent.gr_frame


def places_from(frame: FrameType | None) -> list[Place]:
    """Code object and instruction of a frame and all its callers, innermost first. Functions that
    libraries make from text at run time are left out (SQLAlchemy does, as do decorators)."""
    found: list[Place] = []
    while frame is not None:
        if not is_generated(frame):
            found.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return found


def places_raised_from(error: BaseException) -> list[Place]:
    """The same of an error: from where it was raised out to where it was caught."""
    found: list[Place] = []
    traceback = error.__traceback__
    while traceback is not None:
        if not is_generated(traceback.tb_frame):
            found.append((traceback.tb_frame.f_code, traceback.tb_lasti))
        traceback = traceback.tb_next
    return found[::-1]


def is_generated(frame: FrameType) -> bool:
    """Says whether a frame is of a function that a library made from text."""
    is_text = frame.f_code.co_filename == "<string>"
    return is_text and frame.f_globals.get("__name__") != "__main__"


def is_library(code: CodeType) -> bool:
    """Says whether a code object is of SQLAlchemy, the standard library or a test runner."""
    return _standing(code.co_filename) == "library"


def is_users_own(code: CodeType) -> bool:
    """Says whether a code object is of the user's program."""
    return is_users_file(code.co_filename)


def is_users_file(filename: str) -> bool:
    """Says whether a source file is of the user's program."""
    return _standing(filename) == "user"


def package_of(code: CodeType) -> str:
    """The installed package that a code object is of; empty for the program's own files, `stdlib`
    for the standard library, `auditor` for this project."""
    name = _package(code.co_filename)
    if name or _standing(code.co_filename) != "library":
        return name
    return "auditor" if os.path.abspath(code.co_filename).startswith(_OWN) else "stdlib"


def frame_at(place: Place | None, root: str) -> Frame:
    """A place as it is reported; the unknown frame for none."""
    return UNKNOWN_FRAME if place is None else _frame(*place, root)


def site_of(places: Sequence[Place], root: str) -> Site:
    """The user's part of a raw stack, innermost first; plumbing only if there is nothing else. A
    function that calls itself from one line is one frame: depth is data, not place. What starts a
    worker process of pytest-xdist is `python -c`, and no part of the program."""
    started = (at for at, (code, _) in enumerate(places) if _package(code.co_filename) == _STARTER)
    inside = places[: next(started, len(places))]
    for kept in ({"user"}, {"user", "plumbing"}):
        frames = [
            _frame(code, offset, root)
            for code, offset in inside
            if _standing(code.co_filename) in kept
        ]
        if frames:
            return Site(tuple(frame for frame, _ in itertools.groupby(_merged(frames))))
    return Site(())


def shown_path(filename: str, root: str) -> str:
    """A source path as reports show it: relative to `root` if below it and not installed (a virtual
    environment may lie below it), else what follows the longest matching entry of `sys.path`, else
    the path inside its packages; with forward slashes. `auditor.source.discover` shows the same."""
    path = os.path.abspath(os.path.join(root, filename))
    entries = sorted({os.path.abspath(p) for p in sys.path if p}, key=len, reverse=True)
    is_installed = any(mark in path for mark in _INSTALLED)
    entries.insert(len(entries) if is_installed else 0, root)
    for entry in entries:
        if path.startswith(entry.rstrip(os.sep) + os.sep):
            return path[len(entry.rstrip(os.sep)) + 1 :].replace(os.sep, "/")
    return _inside_packages(Path(path)).as_posix()


def _inside_packages(path: Path) -> Path:
    """The path from the outermost package around a file: of an editable install that a finder of
    its own makes importable, no entry of `sys.path` tells more."""
    top = path.parent
    while (top / "__init__.py").exists() and top.parent != top:
        top = top.parent
    return path.relative_to(top)


def line_at(code: CodeType, offset: int) -> int:
    """The line of an instruction; the first line of the code if the compiler kept none."""
    for start, end, line in code.co_lines():
        if start <= offset < end and line is not None:
            return line
    return code.co_firstlineno


@lru_cache(maxsize=65_536)
def _frame(code: CodeType, offset: int, root: str) -> Frame:
    return Frame(_path(code.co_filename, root), line_at(code, offset), _function(code))


@lru_cache(maxsize=16_384)
def _path(filename: str, root: str) -> str:
    return shown_path(filename, root)


@lru_cache(maxsize=16_384)
def _standing(filename: str) -> str:
    """`library`, `plumbing` or `user`, by where a file is installed. Cython names the file that it
    was built from, by a path that is nowhere: `lib/sqlalchemy/engine/_result_cy.py`."""
    if filename.startswith("<"):
        return "user" if filename in {"<stdin>", "<string>"} else "library"
    package = _package(filename)
    if package:
        return _standing_of_package(package)
    path = os.path.abspath(filename)
    if path.startswith((_OWN, _SCRIPTS)) or os.path.realpath(path).startswith(_STDLIB):
        return "library"
    if not os.path.isabs(filename) and not os.path.exists(path):
        return "library" if LIBRARIES.intersection(Path(filename).parts) else "user"
    return "library" if _inside_packages(Path(path)).parts[0] in _CHECKED_OUT else "user"


@lru_cache(maxsize=16_384)
def _package(filename: str) -> str:
    """The name of the installed package or module that a file is of; empty for any other file."""
    path = os.path.abspath(filename)
    for mark in _INSTALLED:
        if mark in path:
            return path.rsplit(mark, 1)[1].split(os.sep)[0].removesuffix(".py")
    return ""


def _standing_of_package(top: str) -> str:
    if top in LIBRARIES:
        return "library"
    return "plumbing" if top in PLUMBING else "user"


def _function(code: CodeType) -> str:
    """The qualified name inside the module. Python 3.10 keeps none, it is found in the source."""
    name: str = getattr(code, "co_qualname", "") or _names_in(code.co_filename).get(
        (code.co_name, code.co_firstlineno), code.co_name
    )
    return name.replace(".<locals>", "")


@lru_cache(maxsize=1024)
def _names_in(filename: str) -> dict[tuple[str, int], str]:
    """Qualified names by (name, first line) of everything in a source file; empty if unreadable."""
    try:
        top = compile(Path(filename).read_bytes(), filename, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError):
        return {}
    found: dict[tuple[str, int], str] = {}
    waiting = [("", top)]
    while waiting:
        prefix, code = waiting.pop()
        for inner in _code_in(code):
            name = f"{prefix}{inner.co_name}"
            found[inner.co_name, inner.co_firstlineno] = name
            waiting.append((f"{name}.", inner))
    return found


def _code_in(code: CodeType) -> Iterable[CodeType]:
    return (constant for constant in code.co_consts if isinstance(constant, CodeType))


def _merged(frames: list[Frame]) -> Iterable[Frame]:
    """Folds list, set and dict comprehensions into their function: Python 3.12 has no frame for
    them, and a tape must not tell versions apart."""
    skipped = ""
    for frame in frames:
        outer, _, last = frame.function.rpartition(".")
        if frame.function == skipped:
            skipped = ""
            continue
        if last in _FOLDED:
            skipped = outer or "<module>"
            yield Frame(frame.path, frame.line, skipped)
        else:
            skipped = ""
            yield frame
