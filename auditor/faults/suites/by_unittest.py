"""Tests of unittest, testtools and oslotest, named as stestr and unittest name them."""

from __future__ import annotations

import configparser
import importlib
import os
import sys
import unittest
from collections.abc import Iterator
from contextlib import ExitStack
from inspect import unwrap
from pathlib import Path
from typing import Any

from auditor.faults.suites.steps import TestSide
from auditor.faults.suites.suites import Around
from auditor.growth.blame import blamed
from auditor.model.errors import ScenarioError
from auditor.runtime.case_body import around_body, method_of
from auditor.runtime.sites import is_users_file

_FAILED = "unittest.loader._FailedTest"


def found_by(runner: str, address: str) -> list[Any]:
    """The test cases whose id is `address`, or begins with it and a dot. Raises ScenarioError."""
    sys.path.insert(0, _top_folder(runner))
    found: dict[str, Any] = {}
    for case in _cases(_loaded(address)):
        name = str(case.id())
        if f"{type(case).__module__}.{type(case).__qualname__}" == _FAILED:
            raise ScenarioError(f"`{runner}:{address}` cannot be loaded: {_last_line(case)}")
        if name == address or name.startswith((f"{address}.", f"{address}(", f"{address}[")):
            found.setdefault(name, case)
    if not found:
        raise ScenarioError(
            f"`{runner}:{address}` names no test: ids read `package.module.Class.test_method`, and"
            " the beginning of one selects all that go on from there"
        )
    return list(found.values())


def the_one(runner: str, address: str) -> Any:
    """The test case of this id. Raises ScenarioError."""
    for case in found_by(runner, address):
        if case.id() == address:
            return case
    raise ScenarioError(f"`{runner}:{address}` is no longer there")


def _top_folder(runner: str) -> str:
    """The folder from which modules are imported: stestr's `top_dir`, or where we are."""
    settings = Path(".stestr.conf")
    if runner != "stestr" or not settings.exists():
        return os.getcwd()
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(settings, encoding="utf-8")
    except configparser.Error as error:
        raise ScenarioError(f"`.stestr.conf`: {error}") from error
    return os.path.abspath(os.path.expandvars(parser.get("DEFAULT", "top_dir", fallback=".")))


def _loaded(address: str) -> unittest.TestSuite:
    """All tests of the module that the address names or lies in; of a package, all below it."""
    name = address
    while name:
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            if not _is_missing(error, name):
                raise ScenarioError(f"`{name}` cannot be imported: {blamed(error)}") from error
            name = name.rpartition(".")[0]
            continue
        except (Exception, SystemExit) as error:
            raise ScenarioError(f"`{name}` cannot be imported: {blamed(error)}") from error
        loader = unittest.TestLoader()
        folder = next(iter(getattr(module, "__path__", ())), "")
        if folder and name == address:
            top = Path(folder).parents[name.count(".")]
            return loader.discover(folder, top_level_dir=str(top))
        return loader.loadTestsFromModule(module)
    first = address.partition(".")[0]
    raise ScenarioError(
        f"`{address}`: there is no module `{first}` below `{os.path.basename(os.getcwd())}`, nor"
        " one that is installed"
    )


def _is_missing(error: ImportError, name: str) -> bool:
    """Whether it is this module, or a package it would be in, that does not exist."""
    missing = getattr(error, "name", None) or ""
    is_absent = isinstance(error, ModuleNotFoundError)
    return is_absent and (name == missing or name.startswith(f"{missing}."))


def _cases(suite: Any) -> Iterator[Any]:
    if not isinstance(suite, unittest.TestSuite):
        yield suite
        return
    for one in suite:
        yield from _cases(one)


def _last_line(failed: Any) -> str:
    """What a loader says of a module that it could not load."""
    result = unittest.TestResult()
    failed.run(result)
    lines = [line for _, text in result.errors for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "the loader does not say why"


def run_case(case: Any, around: Around) -> str:
    """Run a test case with its class and module fixtures; its body inside the block."""
    result = unittest.TestResult()
    block = around(side_of(case))
    with ExitStack() as stack:
        stack.enter_context(around_body(case, block))
        unittest.TestSuite([case]).run(result)
    return _why_not(result)


def side_of(case: Any) -> TestSide:
    """What of a run is the test case's own."""
    function = getattr(unwrap(method_of(case)), "__code__", None)
    return TestSide(function, case, files_of(type(case)))


def files_of(cls: type) -> frozenset[str]:
    """The user's files that a class and those above it are written in."""
    names = (getattr(sys.modules.get(one.__module__), "__file__", None) for one in cls.__mro__)
    return frozenset(name for name in names if name and is_users_file(name))


def _why_not(result: unittest.TestResult) -> str:
    for _, reason in result.skipped:
        return f"it is skipped: {reason}"
    if result.expectedFailures or result.unexpectedSuccesses:
        return "it is expected to fail"
    for _, text in (*result.errors, *result.failures):
        return shortened(text)
    return ""


def shortened(text: str) -> str:
    """The line of a report of failure that names the error, and where it was raised."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if not line.startswith(("File ", "^", "~", "}}}", "|"))]
    return " ".join(named[-1:])[:400]
