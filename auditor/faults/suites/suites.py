"""Existing tests as workloads: `pytest:tests/test_labels.py::test_delete`, `stestr:a.b.C.test_d`.

targets          -> names of tests       `tests_named`: what a target selects, in its order
a Test           -> TestRun              `opened`: loaded once in this process, run in forks
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from auditor.faults.suites.forked import Deliver, Died, Done, Hung, forked
from auditor.faults.suites.steps import TestSide
from auditor.model.errors import ScenarioError

RUNNERS = ("pytest", "stestr", "unittest")
_SECONDS_TO_LOAD = 600.0

Around = Callable[[TestSide], AbstractContextManager[None]]
RunTest = Callable[[Around], str]
"""Runs the test once in this process, its body inside the block. Why it did not pass, or empty."""
UseTest = Callable[[RunTest], None]


class SkippedTestError(ScenarioError):
    """A test does not run, or is expected to fail: by the word of its project, nothing is missing
    where it was one of many."""


@dataclass(frozen=True, slots=True)
class Test:
    """One test. `address` is the id that its runner has for it; the name of the workload is the
    same. A test declares nothing and has no sizes."""

    runner: str
    address: str
    sizes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    declared: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.address

    @property
    def reference(self) -> str:
        """What a command line calls it."""
        return f"{self.runner}:{self.address}"


def is_test(target: str) -> bool:
    """Whether a target of the command line names tests."""
    return target.partition(":")[0] in RUNNERS


def tests_named(target: str) -> tuple[Test, ...]:
    """The tests that a target selects, in the runner's order. Nothing of them is loaded into this
    process. Raises ScenarioError."""
    runner, _, address = target.partition(":")
    if not address:
        raise ScenarioError(f"`{target}` names no test: {_EXAMPLES[runner]}")

    if runner == "pytest":
        from auditor.faults.suites import by_pytest  # noqa: F401 - lazy: loaded once, for all forks

    def collect(deliver: Deliver) -> None:
        be_quiet()
        try:
            deliver((_ids(runner, address), ""))
        except ScenarioError as error:
            deliver(((), str(error)))

    match forked(collect, seconds=_SECONDS_TO_LOAD, root=os.getcwd()):
        case Done((found, "")):
            return tuple(Test(runner, one) for one in found)
        case Done((_, message)):
            raise ScenarioError(str(message))
        case Hung():
            raise ScenarioError(f"`{target}` was not loaded within {_SECONDS_TO_LOAD:g} seconds")
        case Died(status):
            raise ScenarioError(f"`{target}` ended its process while it was loaded: {status}")
    raise AssertionError  # every other value was delivered by `collect`


_EXAMPLES = {
    "pytest": "write `pytest:tests/test_labels.py::test_delete`, a file, a class or a folder",
    "stestr": "write `stestr:package.module.Class.test_method`, or the beginning of such an id",
    "unittest": "write `unittest:package.module.Class.test_method`, a class or a module",
}


def _ids(runner: str, address: str) -> tuple[str, ...]:
    if runner == "pytest":
        from auditor.faults.suites.by_pytest import ids_of  # lazy: pytest need not be installed

        return ids_of(address)
    from auditor.faults.suites.by_unittest import found_by  # lazy: for tests only

    return tuple(str(case.id()) for case in found_by(runner, address))


def open_test(test: Test, use: UseTest) -> None:
    """Load the test, and let `use` run it in forks of this process. Raises ScenarioError."""
    be_quiet()
    if test.runner == "pytest":
        from auditor.faults.suites.by_pytest import use_test  # lazy: pytest need not be installed

        use_test(test.address, use)
        return
    from auditor.faults.suites.by_unittest import run_case, the_one  # lazy: for tests only

    case = the_one(test.runner, test.address)
    use(lambda around: run_case(case, around))


def be_quiet() -> None:
    """What test runners say of their own goes nowhere; standard error stays."""
    nothing: Any = open(os.devnull, "w")  # noqa: SIM115 - for the rest of this process
    os.dup2(nothing.fileno(), 1)
    sys.stdout = nothing
