"""`auditor explain-query PATH::FUNCTION`: the statements of a function, from its source."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path

import click

from auditor import config
from auditor.cli.options import context_option
from auditor.cli.output import write_out
from auditor.engine.context import Linked, linked
from auditor.engine.scanning import NO_CACHE
from auditor.model.errors import AuditorError
from auditor.model.law import LawResult
from auditor.report import estimates
from auditor.report.readback import report_of
from auditor.source.estimate import Estimate, estimate_of
from auditor.source.facts import FunctionFacts
from auditor.source.loads import unknown_partners

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("explain-query")
@click.argument("target", metavar="PATH::FUNCTION")
@context_option
@click.option(
    "--against",
    "results",
    multiple=True,
    type=_FILE,
    help="JSON of `auditor profile` of the same function: say whether they agree.",
)
@click.option("--output", "-o", type=_FILE, help="Write to this file.")
@click.option("--config", "config_file", type=_FILE, help="Read settings from this file.")
@click.option("--no-cache", is_flag=True, help="Neither read nor write the cache of facts.")
def explain_query_command(
    *,
    target: str,
    context: tuple[Path, ...],
    results: tuple[Path, ...],
    output: Path | None,
    config_file: Path | None,
    no_cache: bool,
) -> None:
    """Estimate the statements of one function from its loops, calls and relationships.

    FUNCTION is its name as in reports: `Class.method`, or `function`. Nothing is run or imported.
    """
    path, separator, qualname = target.partition("::")
    if not separator or not path or not qualname:
        raise AuditorError(f"`{target}`: write it as `path/to/file.py::Class.method`")
    if Path(path).is_dir():
        raise AuditorError(f"`{path}` is a folder; name the file that holds `{qualname}`")
    laws = tuple(law for file in results for law in laws_of(file))
    settings = config.read(config_file) if config_file else config.load(Path.cwd())
    settings = replace(settings, cache_dir=NO_CACHE) if no_cache else settings
    found = linked((Path(path),), settings, context=context)
    for problem in found.problems:
        if problem.hides_results:
            raise AuditorError(f"`{problem.subject}`: {problem.message}")
    function = _function(found, path, qualname)
    estimate = estimate_of(found.project, function)
    is_silent = not estimate.cost.high and not estimate.cost.notes
    partners = unknown_partners(found.project, function) if is_silent else ()
    told = estimates.rendered(estimate, _same(estimate, laws, results), partners)
    write_out(told, output)


def laws_of(file: Path) -> tuple[LawResult, ...]:
    """The laws in the JSON of a profile. Raises AuditorError if the file is none."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise AuditorError(f"cannot read `{file}`: {reason}") from error
    laws = report_of(text, str(file)).laws
    if not laws:
        raise AuditorError(
            f"`{file}` holds no law; `auditor profile SCENARIO --format json -o FILE` writes one"
        )
    return laws


def _function(found: Linked, path: str, qualname: str) -> FunctionFacts:
    functions = [f for module in found.named for f in module.functions[:-1]]
    exact = [f for f in functions if f.qualname == qualname]
    if exact:
        return exact[-1]  # of several definitions the last one counts
    names = [f.qualname for f in functions]
    last = [name for name in names if name.rpartition(".")[2] == qualname]
    near = last or difflib.get_close_matches(qualname, names, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(f'`{name}`' for name in near)}?" if near else ""
    raise AuditorError(
        f"`{path}` has no function `{qualname}` among its {len(names)} functions{hint}"
    )


def _same(
    estimate: Estimate, laws: tuple[LawResult, ...], results: tuple[Path, ...]
) -> tuple[LawResult, ...]:
    found = tuple(law for law in laws if estimates.is_law_of(law, estimate))
    if laws and not found:
        files = ", ".join(f"`{file}`" for file in results)
        targets = ", ".join(f"`{law.target}`" for law in laws)
        name = estimate.scope.function.qualname
        raise AuditorError(f"{files}: no law was measured on `{name}`, but on {targets}")
    return found
