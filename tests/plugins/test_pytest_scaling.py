from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_inprocess("-p", "no:cacheprovider", *arguments)


def test_laws_that_are_as_promised_pass(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import app

        def test_constant(session, scaling):
            law = scaling.constant(
                lambda n: app.count(session), setup=lambda n: app.fill(session, n), at_most=1
            )
            assert str(law.law) == "1"

        def test_linear(session, scaling):
            law = scaling.linear(
                lambda n: app.listing(session),
                setup=lambda n: app.fill(session, n),
                at_most="1 + n",
                sizes=(0, 1, 2),
            )
            assert str(law.law) == "1 + n"
        """
    )
    run(project).assert_outcomes(passed=2)


def test_a_law_that_is_not_as_promised_is_shown_with_the_sites_of_what_grows(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        test_it="""
        import app

        def test_constant(session, scaling):
            def listing(n):
                return app.listing(session)
            scaling.constant(listing, setup=lambda n: app.fill(session, n))

        def test_bound(session, scaling):
            scaling.linear(
                lambda n: app.listing(session), setup=lambda n: app.fill(session, n), at_most="n"
            )
        """
    )
    result = run(project)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "wanted constant growth: it is not constant in n",
            "test_constant.listing on its own engine: 1 + n statements",
            "    linear in n",
            "    n  statements *",
            "    1           2 *",
            "    hold-out n=9: predicted 10, measured 10",
            "*executed at app.py:31 in listing",
            "wanted linear growth: it is not at most n (at n=1)",
        ]
    )


def test_no_law_is_given_where_a_call_leaves_something_behind(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import app

        def add(session, n):
            session.add(app.Label(rules=[app.Rule()]))
            session.flush()
            session.expunge_all()

        def test_without_reset(session, scaling):
            scaling.linear(lambda n: app.listing(session), setup=lambda n: add(session, n))

        def test_with_reset(session, scaling):
            scaling.constant(
                lambda n: app.listing(session),
                setup=lambda n: add(session, n),
                reset=lambda: app.fill(session, 0),
            )

        def test_nothing(scaling):
            scaling.constant(lambda n: n)
        """
    )
    result = run(project)
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            (
                "wanted linear growth: no law: not repeatable: at n=1 one call executed *"
                " and an equal one *"
            ),
            "Each measurement is `reset()`, `setup(n)`, then the counted `call(n)`*",
            "wanted constant growth: no law: NO STATEMENT WAS SEEN at any size: *",
        ]
    )


def test_what_the_call_raises_is_the_failure(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        def fail(n):
            if n == 2:
                raise ValueError("two is too many")

        def test_call(session, scaling):
            scaling.constant(fail)

        def test_setup(session, scaling):
            scaling.constant(lambda n: None, setup=fail)

        def test_skip(session, scaling):
            scaling.constant(lambda n: pytest.skip("no database"))
        """
    )
    result = run(project)
    result.assert_outcomes(failed=2, skipped=1)
    result.stdout.fnmatch_lines(
        [
            ">           raise ValueError(*two is too many*",
            "E           ValueError: two is too many",
        ]
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("constant(3)", "`constant`: `call` is `3`: give a function, such as `lambda n: f(n)`"),
        ("constant(print, setup=3)", "`constant`: `setup` is `3`: give a function, such as*"),
        ("constant(print, sizes=(2,))", "`sizes` is `(2,)`: give two different sizes or more,*"),
        ("constant(print, sizes=(1, -2))", "sizes?`n`? is `(1, -2)`: give one or more distinct*"),
        ("linear(print, at_most='n +')", "*`at_most=?n +?` cannot be read: *"),
        ("linear(print, at_most='2*labels')", "*`at_most='2?labels'`*`n`*"),
    ],
)
def test_arguments_that_mean_nothing_are_told_with_the_test(
    project: pytest.Pytester, written: str, said: str
) -> None:
    project.makepyfile(test_it=f"def test_it(scaling):\n    scaling.{written}")
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"usage error in `test_it.py::test_it`: `scaling`: {said}"])


def test_asynchronous_calls_run_on_the_loop_of_the_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import asyncio
        import sqlalchemy as sa
        from sqlalchemy.ext.asyncio import create_async_engine

        async def select(engine, n):
            async with engine.connect() as connection:
                for _ in range(n):
                    await connection.execute(sa.text("select 1"))

        def engine():
            return create_async_engine("sqlite+aiosqlite://", poolclass=sa.pool.NullPool)

        def test_inside_a_loop(scaling):
            async def work():
                loop = asyncio.get_running_loop()

                async def call(n):
                    assert asyncio.get_running_loop() is loop
                    await select(engine(), n)

                return await scaling.linear(call, at_most="n")

            assert str(asyncio.run(work()).law) == "n"

        def test_on_a_loop_of_its_own(scaling):
            async def call(n):
                await select(engine(), 2)

            assert str(scaling.constant(call).law) == "2"

        def test_not_as_promised(scaling):
            async def call(n):
                await select(engine(), n)

            async def work():
                await scaling.constant(call)

            asyncio.run(work())
        """
    )
    result = run(project)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["wanted constant growth: it is not constant in n"])
