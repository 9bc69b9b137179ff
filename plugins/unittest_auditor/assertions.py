"""The mixin: assertions on statements for any class of tests under `unittest.TestCase`."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from auditor.growth.calls import SIZES
from auditor.model.errors import AuditorError
from auditor.runtime.case_body import around_body, method_of
from auditor.runtime.expectations import Block, ExpectationError
from unittest_auditor.checks import Body
from unittest_auditor.marks import marks_of
from unittest_auditor.queries import Queries
from unittest_auditor.settings import chosen

__unittest = True  # unittest leaves frames of this module out of tracebacks


class QueryAssertions:
    """Stands before the class of tests: `class TestLabels(QueryAssertions, unittest.TestCase)`.

    `fail_on_findings` says whether a test with a finding in its body fails; None leaves it to
    AUDITOR_FAIL. Where the test case carries details (testtools), a failure has all statements
    attached, with the way to them.
    """

    fail_on_findings: ClassVar[bool | None] = None
    _auditor_queries: Queries | None = None

    def __init_subclass__(cls, **named: Any) -> None:
        """Raises ExpectationError where the order of classes would make the mixin inert."""
        super().__init_subclass__(**named)
        order = cls.__mro__
        if unittest.TestCase in order and order.index(unittest.TestCase) < order.index(
            QueryAssertions
        ):
            raise ExpectationError(
                f"`{cls.__qualname__}`: name `QueryAssertions` first, before the class of tests:"
                f" `class {cls.__name__}(QueryAssertions, ...)`"
            )

    def run(self, result: Any = None) -> Any:
        """Runs the test, its body under the checks that were asked for."""
        over: Any = super()
        try:
            body = self._auditor_body()
        except AuditorError as error:
            with around_body(self, _Refused(self, error)):
                return over.run(result)
        with around_body(self, body):
            return over.run(result)

    def assertNumQueries(self, *total: int, engine: Any = None, **by_kind: int) -> Block:  # noqa: N802 - as unittest and Django name theirs
        """`with self.assertNumQueries(3):` or `(select=2, insert=1)`; `async with` as well."""
        return self._auditor().count(*total, engine=engine, **by_kind)

    def assertMaxQueries(self, *total: int, engine: Any = None, **by_kind: int) -> Block:  # noqa: N802 - likewise
        """No more than so many statements in the block."""
        return self._auditor().at_most(*total, engine=engine, **by_kind)

    def assertNoQueries(self, *, engine: Any = None) -> Block:  # noqa: N802 - likewise
        """No statement at all in the block."""
        return self._auditor().none(engine=engine)

    def assertQuerySnapshot(self, name: str = "", *, engine: Any = None) -> Block:  # noqa: N802 - likewise
        """The statements of the block are those of the reviewed file beside the test."""
        return self._auditor().snapshot(name, engine=engine)

    def assertConstantQueries(  # noqa: N802 - likewise
        self,
        call: Callable[[int], Any],
        *,
        setup: Callable[[int], Any] | None = None,
        reset: Callable[[], Any] | None = None,
        sizes: Sequence[int] = SIZES,
        at_most: str | int = "",
    ) -> Any:
        """`call(n)` executes as many statements at every size."""
        return self._auditor().constant(
            call, setup=setup, reset=reset, sizes=sizes, at_most=at_most
        )

    def assertLinearQueries(  # noqa: N802 - likewise
        self,
        call: Callable[[int], Any],
        *,
        setup: Callable[[int], Any] | None = None,
        reset: Callable[[], Any] | None = None,
        sizes: Sequence[int] = SIZES,
        at_most: str | int = "",
    ) -> Any:
        """The statements of `call(n)` grow with n and no faster."""
        return self._auditor().linear(call, setup=setup, reset=reset, sizes=sizes, at_most=at_most)

    def _auditor_body(self) -> Body:
        """The checks of this run of the test, and a new start for its blocks. Raises
        AuditorError."""
        now = chosen()
        asked = self.fail_on_findings
        is_failing = now.is_failing if asked is None else asked
        body = Body(self, now, marks_of(self, method_of(self)), is_failing=is_failing)
        self._auditor_queries = Queries(self, now, body.recording)
        return body

    def _auditor(self) -> Queries:
        if self._auditor_queries is None:  # called otherwise than by `run`
            self._auditor_queries = Queries(self, chosen())
        return self._auditor_queries


class _Refused:
    """In place of the body of a test whose settings cannot be used."""

    def __init__(self, case: Any, error: AuditorError) -> None:
        self._failure = case.failureException(f"auditor: {error}")

    def __enter__(self) -> None:
        raise self._failure

    def __exit__(self, *raised: object) -> None:
        return
