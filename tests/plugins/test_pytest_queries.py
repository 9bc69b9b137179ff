from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ALONE_AND_PARALLEL = [(), pytest.param(("-n", "2"), marks=pytest.mark.slow)]

SNAPSHOT = """# auditor/queries/1
# statements of blocks under `queries.snapshot()`, for review; `pytest --auditor-update` writes them

[test_snapshot]
     1  SELECT label.id, label.name FROM label ORDER BY label.id
     3  SELECT rule.id, rule.label_id FROM rule WHERE ? = rule.label_id  -- lazy load Label.rules

[test_snapshot / count]
     1  SELECT COUNT(label.id) AS count_1 FROM label
"""
USES_SNAPSHOT = """
    import app

    def test_snapshot(session, queries):
        with queries.snapshot():
            app.listing(session)
        with queries.snapshot("count"):
            app.count(session)
"""


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_inprocess("-p", "no:cacheprovider", "-q", *arguments)


def kept(project: pytest.Pytester) -> Path:
    return project.path / "__queries__" / "test_it.txt"


def test_a_failure_shows_the_statements_by_site_and_cause(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import app

        def test_none(session, queries):
            with queries.none():
                app.listing(session)

        def test_kinds(session, queries):
            with queries.count(select=4, insert=1), queries.at_most(4):
                app.listing(session)

        def test_only_the_block(session, queries):
            app.listing(session)
            with queries.count(2) as outer:
                app.count(session)
                with queries.count(1):
                    app.count(session)
            app.listing(session)
            assert outer.statements == 2

        def test_an_error_stays_the_error(session, queries):
            with queries.none():
                app.count(session)
                raise KeyError("mine")
        """
    )
    result = run(project)
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        [
            "4 statements were executed, wanted none",
            "       3 x  app.py:31 in listing: lazy load Label.rules: SELECT rule.id,*(3 rows)",
            "       1 x  app.py:30 in listing: explicit: SELECT label.id,*(3 rows)",
            "4 statements were executed (select 4), wanted exactly select 4, insert 1",
            "*KeyError: 'mine'",
        ]
    )
    result.stdout.no_fnmatch_line("*= auditor =*")


def test_an_asynchronous_block_counts(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import asyncio
        import sqlalchemy as sa
        from sqlalchemy.ext.asyncio import create_async_engine

        def test_async(queries):
            async def work():
                engine = create_async_engine("sqlite+aiosqlite://", poolclass=sa.pool.NullPool)
                async with queries.count(1):
                    async with engine.connect() as connection:
                        await connection.execute(sa.text("select 1"))
                with queries.none():
                    await asyncio.sleep(0)
                async with queries.none(), engine.connect() as connection:
                    await connection.execute(sa.text("select 2"))

            asyncio.run(work())
        """
    )
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "1 statement was executed, wanted none",
            "*test_it.py:14 in test_async.work: explicit: SELECT ?*",
        ]
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("count(-1)", "`-1`: a number of statements is a whole number, 0 or more"),
        ("at_most(selects=1)", "there is no kind of statement `selects`; there are `select`,*"),
        ("count()", "0 numbers are given: give one, such as `3`, or one for each kind*"),
        ("count(1, engine=3)", "record() wants an Engine or AsyncEngine, got `3`"),
    ],
)
def test_what_cannot_be_wanted_is_told_with_the_test(
    project: pytest.Pytester, written: str, said: str
) -> None:
    project.makepyfile(test_it=f"def test_it(queries):\n    with queries.{written}:\n        pass")
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{said}"])
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


def test_a_missing_snapshot_is_written_and_holds_from_then_on(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=USES_SNAPSHOT)
    first = run(project)
    first.assert_outcomes(passed=1)
    first.stdout.fnmatch_lines(
        [
            "2 snapshots written, to be reviewed and committed",
            "    __queries__/test_it.txt: test_snapshot",
            "    __queries__/test_it.txt: test_snapshot / count",
        ]
    )
    assert kept(project).read_text() == SNAPSHOT
    again = run(project)
    again.assert_outcomes(passed=1)
    again.stdout.no_fnmatch_line("*snapshot*")
    assert sorted(path.name for path in kept(project).parent.iterdir()) == ["test_it.txt"]


def test_a_missing_snapshot_fails_on_ci(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    project.makepyfile(test_it=USES_SNAPSHOT)
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            (
                "there is no snapshot `test_snapshot` in __queries__/test_it.txt, and on CI none is"
                " written: run `pytest --auditor-update` and commit the file. The statements were"
            ),
            "     1  SELECT label.id, label.name FROM label ORDER BY label.id",
        ]
    )
    assert not kept(project).parent.exists()


@pytest.mark.parametrize("workers", ALONE_AND_PARALLEL)
def test_a_changed_block_fails_with_the_difference_until_it_is_updated(
    project: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    project.makepyfile(test_it=USES_SNAPSHOT)
    kept(project).parent.mkdir()
    kept(project).write_text(
        SNAPSHOT.replace("     3  SELECT rule", "     1  SELECT rule")
        + "\n[test_gone]\n     1  SELECT 1\n"
    )
    result = run(project, *workers)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "the statements are not those of the snapshot",
            "      1  SELECT label.id, label.name FROM label ORDER BY label.id",
            "-     1  SELECT rule.id,*",
            "+     3  SELECT rule.id,*",
            "executed at",
            "       3 x  app.py:31 in listing: lazy load Label.rules:*",
            (
                "snapshot `test_snapshot` in __queries__/test_it.txt; if this is right:"
                " pytest --auditor-update"
            ),
            "2 snapshots not used in this run: remove those whose test is gone",
            "    __queries__/test_it.txt: test_gone",
            "    __queries__/test_it.txt: test_snapshot / count",
        ]
    )
    updated = run(project, "--auditor-update", *workers)
    updated.assert_outcomes(passed=1)
    gone = "\n[test_gone]\n     1  SELECT 1\n\n[test_snapshot]"
    assert kept(project).read_text() == SNAPSHOT.replace("\n[test_snapshot]", gone, 1)


def test_a_snapshot_of_a_test_that_fails_later_is_not_written(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=f"{USES_SNAPSHOT}        assert False\n")
    run(project, "--auditor-update").assert_outcomes(failed=1)
    assert not kept(project).exists()


def test_tests_with_parameters_and_in_classes_have_sections_of_their_own(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        test_it="""
        import app, pytest

        class TestLabels:
            @pytest.mark.parametrize("name", ["a/b [1]", "a\\nb"])
            def test_it(self, session, queries, name):
                for _ in range(2):
                    with queries.snapshot():
                        app.count(session)
        """
    )
    run(project).assert_outcomes(passed=2)
    lines = kept(project).read_text().splitlines()
    assert [line for line in lines if line.startswith("[")] == [
        "[TestLabels::test_it[a/b [1]]]",
        "[TestLabels::test_it[a/b [1]] / 2]",
        "[TestLabels::test_it[a\\nb]]",
        "[TestLabels::test_it[a\\nb] / 2]",
    ]
    run(project).assert_outcomes(passed=2)


def test_a_damaged_snapshot_file_fails_with_its_line(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=USES_SNAPSHOT)
    kept(project).parent.mkdir()
    kept(project).write_text("# auditor/queries/1\n<<<<<<< ours\n")
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*test_it.txt:2: `<<<<<<< ours` is neither*`pytest --auditor-update` writes it anew"]
    )
    run(project, "--auditor-update").assert_outcomes(passed=1)
    assert kept(project).read_text() == SNAPSHOT
