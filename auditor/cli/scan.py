"""`auditor scan PATH...`: audit source code."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path, PurePath

import click

from auditor import registry
from auditor.baseline import Known
from auditor.cli.changes import introduced, revision_of
from auditor.cli.options import ReportOptions, report_options
from auditor.cli.output import deliver, settings_of
from auditor.cli.streams import is_terminal
from auditor.engine.filters import is_selected, with_checks
from auditor.engine.scanning import NO_CACHE, scan
from auditor.model.errors import AuditorError
from auditor.model.settings import Settings
from auditor.rule import OnFunction, OnModule
from auditor.source.discover import discover

_REDRAWN = 0.1
"""Seconds between two progress lines."""


@click.command()
@click.argument("paths", nargs=-1, metavar="PATH...", type=click.Path(path_type=Path))
@click.option(
    "--package",
    "packages",
    multiple=True,
    metavar="NAME",
    help="Audit an installed package; it is found without being imported.",
)
@click.option(
    "--tests",
    is_flag=True,
    help="Audit the files of tests too, by the rules that are about tests as well.",
)
@click.option("--jobs", "-j", type=click.IntRange(0), help="Processes; 0 is one for each core.")
@click.option("--no-cache", is_flag=True, help="Neither read nor write the cache of facts.")
@click.option(
    "--diff",
    metavar="REV",
    help="Report only findings that the git revision REV does not have.",
)
@report_options
def scan_command(
    *,
    options: ReportOptions,
    paths: tuple[Path, ...],
    packages: tuple[str, ...],
    tests: bool,
    jobs: int | None,
    no_cache: bool,
    diff: str | None,
) -> None:
    """Audit Python source: raw SQL, error handling, queries in loops, transactions.

    Nothing of the audited code is imported or run. A PATH is a file or a folder.
    """
    roots = (*paths, *(folder for name in packages for folder in package_folders(name)))
    if not roots:
        raise click.UsageError("name a PATH to scan, or an installed `--package`")
    if diff is not None and options.write_baseline:
        raise click.UsageError("`--write-baseline` writes all findings: leave `--diff` out")
    revision = None if diff is None else revision_of(diff, roots)
    settings = settings_of(options)
    settings = replace(
        settings,
        tests=tests or settings.tests,
        jobs=settings.jobs if jobs is None else jobs,
        cache_dir=NO_CACHE if no_cache else settings.cache_dir,
    )
    with_progress = is_terminal(sys.stderr) and not options.quiet
    report = scan(roots, settings, progress=_progress_line() if with_progress else None)
    if with_progress:
        click.echo("\r\x1b[K", nl=False, err=True)
    if revision is not None:
        report = introduced(report, roots, settings, revision)
    known = options.baseline if revision is None else None
    deliver(report, options, in_scope=_scope(roots, settings, known.parent) if known else None)


def package_folders(name: str) -> tuple[Path, ...]:
    """The folders or the file of an installed top-level package, which is not imported.

    Raises AuditorError if there is none, or if it is not Python source.
    """
    if not name.isidentifier():
        raise AuditorError(f"`--package {name}`: give the name of a top-level package, as imported")
    spec = find_spec(name)
    if spec is None:
        raise AuditorError(
            f"`--package {name}`: `{sys.executable}` has no package of this name installed"
        )
    if spec.submodule_search_locations:
        return tuple(Path(folder) for folder in spec.submodule_search_locations)
    if spec.origin and spec.origin.endswith(".py"):
        return (Path(spec.origin),)
    raise AuditorError(f"`--package {name}`: it is not Python source but {spec.origin}")


def _scope(
    roots: tuple[Path, ...], settings: Settings, written_in: Path
) -> Callable[[Known], bool]:
    """Known findings that this scan would have found again: of a static rule, in a file that was
    scanned, or in one that is gone from the scanned folders."""
    files = discover(roots, exclude=settings.exclude, tests=settings.tests).files
    paths = frozenset(file.path for file in files)
    scanned = frozenset(Path(file.file).resolve() for file in files)
    top = os.path.commonpath([PurePath(path).parent for path in paths]) if paths else None
    rules = with_checks(registry.catalogue().rules, OnModule, OnFunction)
    codes = frozenset(rule.code for rule in rules if is_selected(rule.code, settings))

    def in_scope(known: Known) -> bool:
        if known.code not in codes or known.path in paths:
            return known.code in codes
        places = (Path(known.path), written_in / known.path)  # it may be written in a folder above
        there = next((place for place in places if place.exists()), None)
        if there is not None:
            return there.resolve() in scanned
        return top is not None and PurePath(known.path).is_relative_to(top)

    return in_scope


def _progress_line() -> Callable[[int, int], None]:
    """Draws how many files are read, a few times a second."""
    drawn = [0.0]

    def draw(done: int, total: int) -> None:
        now = time.monotonic()
        if now - drawn[0] >= _REDRAWN:
            drawn[0] = now
            click.echo(f"\rreading {done:,} of {total:,} files", nl=False, err=True)

    return draw
