"""`auditor record -- COMMAND...`: run any Python command and record what it does to its database.

Every Python process that the command starts finds `auditor/runtime/startup` first on PYTHONPATH;
what happens then is told there. The command's own output, exit status and
signals are left alone: everything we say goes to stderr.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from auditor.cli.recorded_verdict import asked
from auditor.model.errors import TapeError
from auditor.model.tape import Tape
from auditor.runtime.store import PYTHON, collect, folder_of, make_ready
from auditor.runtime.tape_text import counted, heaviest, totals

TAPE_VARIABLE = "AUDITOR_RECORD_TAPE"  # read in auditor/runtime/startup and attached.py
ROOT_VARIABLE = "AUDITOR_RECORD_ROOT"
STARTUP = Path(__file__).resolve().parents[1] / "runtime" / "startup"
KILLED = 128  # a shell's exit status of a command that a signal ended, plus its number
FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
SHOWN = 5
UNWRITTEN = 2
EXAMPLES = """\b
Examples:
  auditor record -- python -m pytest tests
  auditor record --report auditor.html -- stestr run
  auditor record -o unit.tape --fail -- python manage.py test
"""  # \b: click leaves the lines as they are


@click.command(
    context_settings={"allow_interspersed_args": False},
    options_metavar="[-o FILE] [--report FILE] [--fail] [-q] --",
    epilog=EXAMPLES,
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("auditor.tape"),
    show_default=True,
    help="The tape to write.",
)
@click.option(
    "--report",
    "reports",
    metavar="FILE",
    multiple=True,
    help="Judge the tape and write what is found: FILE.html, .sarif, .xml (JUnit), .json, .md or"
    " .txt, or FORMAT:FILE.",
)
@click.option("--fail", is_flag=True, help="Exit with 1 if the command did well and findings are.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Leave out the findings that this file lists.",
)
@click.option("-q", "--quiet", is_flag=True, help="No summary at the end.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def record_command(
    output: Path,
    command: tuple[str, ...],
    *,
    reports: tuple[str, ...],
    fail: bool,
    baseline: Path | None,
    quiet: bool,
) -> int:
    """Run COMMAND and record every statement it executes through SQLAlchemy.

    Sub-processes are included. The exit status is that of the command; with --fail, if that is 0,
    1 where there are findings and 2 where what was lost may hide some.
    """
    verdict = asked(reports, baseline, is_failing=fail)
    tape_path = output.absolute()
    program = _program(command[0])
    make_ready(tape_path)
    status = _run((program, *command[1:]), _environment(tape_path))
    pythons = len(list(folder_of(tape_path).glob(f"*{PYTHON}")))
    try:
        tape = collect(tape_path)
    except TapeError as error:  # after a failed command its own status is worth more
        click.echo(f"auditor: {error}; what was recorded is in `{folder_of(output)}`", err=True)
        return status or UNWRITTEN
    if not tape.statements:
        click.echo(_nothing_seen(tape, pythons, output), err=True)
    elif not quiet:
        click.echo(_summary(tape, output), err=True)
    for loss in tape.losses:
        click.echo(f"auditor: {loss.subject}: {loss.message}", err=True)
    found = verdict.status(tape) if verdict is not None else 0
    return status or found


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise click.UsageError(
            f"the command `{name}` was not found on PATH; write it as you would in a shell:"
            " `auditor record -- python -m pytest`"
        )
    return found


def _environment(tape: Path) -> dict[str, str]:
    path = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        TAPE_VARIABLE: str(tape),
        ROOT_VARIABLE: str(Path.cwd()),
        "PYTHONPATH": f"{STARTUP}{os.pathsep}{path}" if path else str(STARTUP),
    }


def _run(command: tuple[str, ...], environment: dict[str, str]) -> int:
    """Runs the command to its end and gives its exit status; signals sent to us reach it."""
    try:
        child = subprocess.Popen(command, env=environment)
    except OSError as error:
        raise click.UsageError(
            f"the command `{command[0]}` cannot be started: {error.strerror}"
        ) from error
    with _forwarding(child):
        status = child.wait()
    return status if status >= 0 else KILLED - status


@contextmanager
def _forwarding(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Sends on the signals we get, and lives on to collect what was recorded."""

    def send_on(number: int, _: FrameType | None) -> None:
        if number != signal.SIGINT or not _terminal_sent_it():
            child.send_signal(number)

    signals = [getattr(signal, name) for name in FORWARDED if hasattr(signal, name)]
    before = {number: signal.signal(number, send_on) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminal_sent_it() -> bool:
    """Says whether Ctrl-C reached the command without us: a terminal signals its whole group."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False


def _summary(tape: Tape, path: Path) -> str:
    lines = (
        "",
        f"auditor: {totals(tape)}",
        *heaviest(tape, SHOWN),
        f"auditor: the tape is `{path}`; next: auditor report {path}",
    )
    return "\n".join(lines)


def _nothing_seen(tape: Tape, pythons: int, path: Path) -> str:
    """What to say when the tape is empty, with the reason as far as it can be known."""
    if not pythons:
        why = (
            "no Python process found the recorder. Likely: the command is not Python, runs"
            " `python -I`, `-E` or `-S`, or empties the environment (tox: add PYTHONPATH and"
            f" {TAPE_VARIABLE}, {ROOT_VARIABLE} to `pass_env`)"
        )
    elif not tape.processes:
        why = (
            f"{counted(pythons, 'Python process ran', 'Python processes ran')}, and none of them"
            " imported SQLAlchemy. Likely: the wrong environment, or tests that were not selected"
        )
    else:
        why = (
            f"SQLAlchemy was loaded in {counted(tape.processes, 'process', 'processes')}, and no"
            " engine executed anything but DDL. Likely: the tests were skipped or use another"
            " library, or the work happens in a process that was killed at once"
        )
    return f"\nauditor: 0 STATEMENTS SEEN: {why}.\nauditor: the empty tape is `{path}`"
