"""Counts statements with SQLAlchemy's own event, in each Python process of a run. Shares no code
with the recorder: what both say of one run must be the same.

At exit, a process writes `<PLAIN_LISTENER_FOLDER>/<its number>.json`: a list of
[test id, first word of the statement, times].
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import sys
from collections import Counter

FOLDER = os.environ.get("PLAIN_LISTENER_FOLDER", "")
NOT_COUNTED = frozenset(
    "BEGIN COMMIT PRAGMA CREATE ALTER DROP TRUNCATE COMMENT RENAME GRANT REVOKE".split()
)
counts: Counter[tuple[str, str]] = Counter()
running = [""]


def count(connection, cursor, statement, parameters, context, executemany):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0917 - SQLAlchemy's protocol
    """Counts one statement under the test that runs."""
    verb = statement.split(None, 1)[0].upper()
    ends = verb == "ROLLBACK" and len(statement.split()) == 1
    if verb not in NOT_COUNTED and not ends:
        counts[running[0], verb] += 1


class WaitForEngine:
    """Listens as soon as `sqlalchemy` has been imported by the program."""

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 - importlib's protocol
        if name != "sqlalchemy":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run_module = spec.loader.exec_module

        def exec_module(module):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
            run_module(module)
            module.event.listen(module.engine.Engine, "before_cursor_execute", count)
            watch_tests()

        spec.loader.exec_module = exec_module
        return spec


def watch_tests() -> None:
    """Names the running test, for every runner that calls a `unittest.TestCase`."""
    import unittest  # lazy: not every process has tests

    call = unittest.TestCase.__call__

    def named(case, *arguments, **given):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN002, ANN003, ANN202
        before, running[0] = running[0], case.id()
        try:
            return call(case, *arguments, **given)
        finally:
            running[0] = before

    unittest.TestCase.__call__ = named  # type: ignore[method-assign]


def write() -> None:
    """Leaves what this process counted."""
    if counts:
        with open(os.path.join(FOLDER, f"{os.getpid()}.json"), "w", encoding="utf-8") as file:
            json.dump([[test, verb, number] for (test, verb), number in counts.items()], file)


if FOLDER:
    sys.meta_path.insert(0, WaitForEngine())
    atexit.register(write)
    os.register_at_fork(after_in_child=counts.clear)
