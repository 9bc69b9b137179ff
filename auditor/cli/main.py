"""The `auditor` program: sub-commands by table, errors to exit statuses.

Exit status: 0 nothing to report, 1 findings, 2 the tool could not do (all of) its work, 130 the
user interrupted it. A sub-command's module is imported only when it is called, so that
`auditor --help` starts at once.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from auditor.model.errors import AuditorError

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class CommandRow:
    """Where a command lives (`module:name`), what `auditor --help` says of it, and the extra of
    the distribution that it needs, empty if none."""

    target: str
    summary: str
    extra: str = ""


COMMANDS = {
    "scan": CommandRow("auditor.cli.scan:scan_command", "Audit source code; nothing is imported."),
    "review": CommandRow(
        "auditor.cli.review:review_command", "Write a review of a database layer, in ten points."
    ),
    "explain-query": CommandRow(
        "auditor.cli.explain_query:explain_query_command",
        "Estimate the statements of one function from its source.",
    ),
    "record": CommandRow(
        "auditor.cli.record:record_command",
        "Run a Python command and record what it does to its database.",
        "runtime",
    ),
    "tape": CommandRow("auditor.cli.tape:tape_command", "List and export what was recorded."),
    "profile": CommandRow(
        "auditor.cli.profile:profile_command",
        "Measure how the work grows with the data: exact laws.",
        "runtime",
    ),
    "bisect": CommandRow(
        "auditor.cli.bisect:bisect_command",
        "Find the commit with which a law changed.",
        "runtime",
    ),
    "history": CommandRow(
        "auditor.cli.history:history_command",
        "Show how laws went from run to run.",
        "runtime",
    ),
    "faults": CommandRow(
        "auditor.cli.faults:faults_command",
        "Let every statement of a workload fail once and judge what happens.",
        "runtime",
    ),
    "handlers": CommandRow(
        "auditor.cli.handlers:handlers_command",
        "Judge every handler of database errors: can it run, did it, what does it do.",
    ),
    "report": CommandRow("auditor.cli.report:report_command", "Join several results into one."),
    "rules": CommandRow("auditor.cli.rules:rules_command", "List, explain and test the rules."),
    "demo": CommandRow(
        "auditor.cli.demo:demo_command",
        "Tell the whole story on a small sample, on embedded SQLite.",
        "runtime",
    ),
}


class CommandTable(click.Group):
    """A group that imports a command when it is called. click has no other way to be lazy."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = COMMANDS.get(cmd_name)
        return None if row is None else _loaded(cmd_name, row)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.summary) for name, row in COMMANDS.items()])


def _loaded(name: str, row: CommandRow) -> click.Command:
    module, _, attribute = row.target.partition(":")
    try:
        command: click.Command = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        extra = f"; `pip install 'sqlalchemy-auditor[{row.extra}]'` may help" if row.extra else ""
        raise AuditorError(
            f"`auditor {name}` cannot start: there is no module `{error.name}`{extra}"
        ) from error
    return command


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version  # lazy: 15 ms of start-up

    try:
        found = version("sqlalchemy-auditor")
    except PackageNotFoundError:
        found = "(source checkout, not installed)"
    click.echo(f"auditor {found}")
    ctx.exit(0)


@click.group(cls=CommandTable, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
def auditor() -> None:
    """Audit the database layer of Python programs built on SQLAlchemy and oslo.db.

    Exit status: 0 nothing to report, 1 findings, 2 the tool could not do all of its work.
    """


def run(arguments: Sequence[str]) -> int:
    """Run the program with `arguments` (without its name); gives the exit status."""
    try:
        _refuse_without_working_directory()
        result: Any = auditor.main(list(arguments), prog_name="auditor", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.ClickException as error:
        return _said(_usage(error))
    except AuditorError as error:
        return _said(str(error))
    except (click.Abort, KeyboardInterrupt):
        _said("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return 0
    except Exception as error:  # noqa: BLE001 - the last resort: a short message, not a traceback
        return _failed(error, arguments)
    return result if isinstance(result, int) else 0


def _refuse_without_working_directory() -> None:
    """Refuse to work where every relative path leads nowhere. Raises AuditorError."""
    try:
        os.getcwd()
    except OSError as error:
        raise AuditorError(
            "the working directory is not there any more: change to one that is, and run the"
            " command again"
        ) from error


def _usage(error: click.ClickException) -> str:
    """A bad option in the words of all other errors: lower case, and what to do."""
    message = re.sub(r"'([^']*)'", r"`\1`", error.format_message())
    message = message[:1].lower() + message[1:]
    ctx = getattr(error, "ctx", None)
    if ctx is None:
        return message
    end = " " if message.endswith("?") else "; "  # `Did you mean ...?`
    return f"{message.rstrip('.')}{end}`{ctx.command_path} --help` lists what there is"


def _said(message: str) -> int:
    click.echo(f"auditor: {message}", err=True)
    return 2


def _failed(error: Exception, arguments: Sequence[str]) -> int:
    own = list(arguments)
    own = own[: own.index("--")] if "--" in own else own
    if "-v" in own or "--verbose" in own:
        import traceback  # lazy: only when the tool itself failed

        traceback.print_exception(error)
        return _said(f"this is a defect of auditor itself: {type(error).__name__}: {error}")
    return _said(
        f"this is a defect of auditor itself: {type(error).__name__}: {error};"
        " run it again with `-v` for the traceback"
    )


def _silence_stdout() -> None:
    """The reader went away (`auditor scan | head`): keep the interpreter's last flush quiet."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # stdout is not a file: nothing will be flushed to a pipe
        return


def main() -> None:
    """Run the program as the console script does."""
    sys.exit(run(sys.argv[1:]))
