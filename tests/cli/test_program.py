from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click
import pytest

from auditor.cli import main
from auditor.cli.main import COMMANDS, CommandRow

Run = Callable[..., Any]


def test_every_command_of_the_table_loads_and_is_listed(run: Run) -> None:
    shown = run("--help").stdout
    for name, row in COMMANDS.items():
        assert isinstance(main._loaded(name, row), click.Command)
        assert f"  {name}" in shown
        assert row.summary.split()[0] in shown


def test_help_imports_no_command() -> None:
    code = (
        "import sys; from auditor.cli.main import run; run(['--help'])\n"
        "print(sorted(n for n in sys.modules if n.startswith(('auditor.', 'sqlalchemy'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == (
        "['auditor.cli', 'auditor.cli.main', 'auditor.model', 'auditor.model.errors']"
    )


def test_a_scan_imports_no_database_library() -> None:
    code = (
        "import sys; from auditor.cli.main import run; run(['scan', '--no-cache', sys.argv[1]])\n"
        "print([n for n in ('sqlalchemy', 'oslo_db', 'psycopg') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, __file__],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("scna",), "no such command `scna`; `auditor --help` lists what there is"),
        (
            ("scan", "--zzz"),
            "no such option `--zzz`; `auditor scan --help` lists what there is",
        ),
        (
            ("scan",),
            ("name a PATH to scan, or an installed `--package`;"
            " `auditor scan --help` lists what there is"),
        ),
        (
            ("scan", "--confidence", "sure", "."),
            ("invalid value for `--confidence`: `sure` is not one of `high`, `medium`, `low`;"
            " `auditor scan --help` lists what there is"),
        ),
        (
            ("report",),
            "missing argument `FILE...`; `auditor report --help` lists what there is",
        ),
    ],
)  # fmt: skip
def test_a_bad_command_line_is_told_in_one_line(
    run: Run, arguments: tuple[str, ...], message: str
) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [f"auditor: {message}"]


def broken() -> None:
    raise ZeroDivisionError("by nought")


def interrupted() -> None:
    raise KeyboardInterrupt


def use(monkeypatch: pytest.MonkeyPatch, callback: Callable[[], None]) -> None:
    command = click.Command(
        "it", callback=callback, params=[click.Option(["-v"], is_flag=True, expose_value=False)]
    )
    monkeypatch.setattr(main, "_loaded", lambda name, row: command)
    monkeypatch.setitem(COMMANDS, "it", CommandRow("x:y", "It."))


def test_an_unexpected_error_is_short_and_shows_its_traceback_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, broken)
    told = "auditor: this is a defect of auditor itself: ZeroDivisionError: by nought"
    assert main.run(["it"]) == 2
    assert capsys.readouterr().err == f"{told}; run it again with `-v` for the traceback\n"
    assert main.run(["it", "-v"]) == 2
    shown = capsys.readouterr().err.splitlines()
    assert (shown[0], shown[-1]) == ("Traceback (most recent call last):", told)


def test_options_after_two_dashes_are_those_of_another_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, broken)
    command = main._loaded("it", COMMANDS["it"])
    command.params.append(click.Argument(["rest"], nargs=-1, expose_value=False))
    assert main.run(["it", "--", "-v"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_interruption_has_its_own_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, interrupted)
    assert main.run(["it"]) == 130
    assert capsys.readouterr().err.strip() == "auditor: interrupted"


def test_a_command_whose_library_is_missing_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(COMMANDS, "it", CommandRow("auditor_absent.it:it", "It.", "runtime"))
    assert main.run(["it"]) == 2
    assert capsys.readouterr().err == (
        "auditor: `auditor it` cannot start: there is no module `auditor_absent`;"
        " `pip install 'sqlalchemy-auditor[runtime]'` may help\n"
    )


def test_the_version_is_printed(run: Run) -> None:
    assert run("--version").stdout.split()[0] == "auditor"
