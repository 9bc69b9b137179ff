"""`auditor handlers PATH...`: the truth table of handlers of database errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from auditor import config, registry
from auditor.cli.options import ReportOptions, context_option, paths_argument
from auditor.cli.output import deliver
from auditor.cli.refusals import refuse_undeliverable
from auditor.cli.report import result_in
from auditor.engine.context import Linked, judged, linked
from auditor.engine.joining import join
from auditor.engine.scanning import NO_CACHE
from auditor.handlers.missing import missing_handlers
from auditor.handlers.table import Witnesses, handler_table
from auditor.model.errors import AuditorError, SettingsError
from auditor.model.handler import HandlerRow, HandlerVerdict
from auditor.model.report import Report
from auditor.model.settings import Settings

FORMATS = ("text", "json", "markdown", "html")
_RULES = ("DBA2", "DBA413")
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("handlers")
@paths_argument
@click.option(
    "--with",
    "results",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A tape of `auditor record`, or JSON of `auditor faults`: what runs saw. May be repeated.",
)
@context_option
@click.option(
    "--select",
    metavar="VERDICTS",
    multiple=True,
    help="Show only these verdicts: swallowing,dead.",
)
@click.option(
    "--named", is_flag=True, help="Leave out handlers of everything (`except Exception`)."
)
@click.option("--format", "format_", default="text", metavar="FORMAT", help=", ".join(FORMATS))
@click.option("--output", "-o", type=_FILE, help="Write the table to this file.")
@click.option("--config", "config_file", type=_FILE, help="Read settings from this file.")
@click.option("--tests", is_flag=True, help="Take files of tests too.")
@click.option("--no-cache", is_flag=True, help="Neither read nor write the cache of facts.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 also when handlers are bad.")
@click.option("--quiet", "-q", is_flag=True, help="The table only: no summary.")
@click.option("--verbose", "-v", is_flag=True, help="All that is known of untested handlers too.")
def handlers_command(
    *,
    paths: tuple[Path, ...],
    results: tuple[Path, ...],
    context: tuple[Path, ...],
    select: tuple[str, ...],
    named: bool,
    format_: str,
    output: Path | None,
    config_file: Path | None,
    tests: bool,
    no_cache: bool,
    exit_zero: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Judge every handler of database errors in PATH...

    Each `except` clause and `suppress()` that names an error of the database, or takes everything
    around database work: whether the error can come there, whether a run came to it, and what the
    handler does: good, dead, untested, swallowing, wrong-mapping or breaks-session. Nothing is
    imported. Exit status 1 when one has to be mended.
    """
    refuse_format(format_)
    verdicts = _verdicts(select)
    refuse_undeliverable(format_, written=(output,), known=None)
    settings = config.read(config_file) if config_file else config.load(Path.cwd())
    settings = replace(
        settings,
        tests=tests or settings.tests,
        cache_dir=NO_CACHE if no_cache else settings.cache_dir,
    )
    seen = join(*(result_in(file, settings) for file in results), settings=settings)
    found = linked(paths, settings, context=context)
    options = ReportOptions(
        format=format_, output=output, exit_zero=exit_zero, quiet=quiet, verbose=verbose
    )
    report = table_of(found, settings, seen)
    shown = tuple(row for row in report.handlers if _is_shown(row, verdicts, named=named))
    missing = () if verdicts else report.missing_handlers
    deliver(replace(report, handlers=shown, missing_handlers=missing), options)


def table_of(found: Linked, settings: Settings, seen: Report = Report()) -> Report:  # noqa: B008 - frozen
    """The handlers of the named modules of a program, joined with what is in `seen`: its tape, its
    faults."""
    chosen = replace(settings, select=_RULES, ignore=())
    static = judged(found, chosen, registry.catalogue())
    witnesses = Witnesses(static.findings, seen.tape, seen.faults)
    rows = handler_table(found.project, found.named, witnesses)
    return Report(
        problems=tuple(dict.fromkeys((*static.problems, *seen.problems))),
        counted={
            "files": len(found.named),
            "functions": sum(len(module.functions) - 1 for module in found.named),
            "handlers": len(rows),
            "faults": len(seen.faults),
        },
        handlers=rows,
        missing_handlers=missing_handlers(found.project, found.named, seen.faults, static.findings),
    )


def refuse_format(name: str) -> None:
    """Refuse a format that has no table of handlers. Raises SettingsError."""
    if name not in FORMATS:
        formats = ", ".join(f"`{one}`" for one in FORMATS)
        raise SettingsError(f"`--format {name}` is none of a table of handlers: write {formats}")


def _verdicts(written: tuple[str, ...]) -> frozenset[str]:
    words = frozenset(word.strip() for text in written for word in text.split(",") if word.strip())
    known = [verdict.value for verdict in HandlerVerdict]
    for word in sorted(words):
        if word not in known:
            raise AuditorError(
                f"`--select {word}` is no verdict of a handler: write"
                f" {', '.join(f'`{one}`' for one in known)}"
            )
    return words


def _is_shown(row: HandlerRow, verdicts: frozenset[str], *, named: bool) -> bool:
    is_of_everything = not row.caught or row.errors[:1] == () or row.errors[0].name == "Exception"
    if named and is_of_everything:
        return False
    return not verdicts or row.verdict.value in verdicts
