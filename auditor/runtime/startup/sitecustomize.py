# ruff: noqa: INP001 - Python wants this module alone in a folder of the path
"""Run by Python at the start of every process under `auditor record`, before the program.

It does two things and gets out of the way: it makes this copy of `auditor` importable (the
program's environment may not have one), and it waits for the program to import SQLAlchemy. Then
the `sitecustomize` that would have run without us is run. Nothing here imports more than Python
has imported already, and no error of ours reaches the program.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.dirname(os.path.dirname(HERE))
TAPE = "AUDITOR_RECORD_TAPE"


def run_hidden() -> None:
    """Runs the `sitecustomize` of the environment, if it has one, under its own name."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


class WaitForSqlalchemy:
    """A finder that finds nothing itself: it lets the others find `sqlalchemy`, and begins to
    record as soon as that module has run."""

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 - importlib's protocol
        if name != "sqlalchemy":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            run_module = spec.loader.exec_module

            def exec_module(module):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
                run_module(module)
                begin()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def begin() -> None:
    """Starts the recorder of this process; says so on stderr if it cannot."""
    try:
        own_auditor()
        from auditor.runtime.attached import begin as begin_recording  # lazy: needs SQLAlchemy

        begin_recording()
    except Exception as error:  # noqa: BLE001 - the program must run as it would without us
        print(f"auditor: this process is not recorded: {error!r}", file=sys.stderr)  # noqa: T201


def own_auditor() -> None:
    """Loads the `auditor` package this file belongs to, unless the program has loaded one."""
    if "auditor" in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        "auditor",
        os.path.join(PACKAGE, "__init__.py"),
        submodule_search_locations=[PACKAGE],
    )
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["auditor"] = module
    spec.loader.exec_module(module)


def announce() -> None:
    """Leaves an empty file that says a Python process started with the recorder at hand."""
    folder = f"{os.environ[TAPE]}.d"
    try:
        with open(os.path.join(folder, f"{os.getpid()}.python"), "wb"):
            pass
    except OSError:
        return


if os.environ.get(TAPE):
    announce()
    if "sqlalchemy" in sys.modules:
        begin()
    else:
        sys.meta_path.insert(0, WaitForSqlalchemy())
run_hidden()
