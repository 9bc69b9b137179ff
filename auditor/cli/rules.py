"""`auditor rules`: the catalogue, one rule's page, and the test of rules by their examples."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click

from auditor import registry
from auditor.examples import check_examples
from auditor.model.errors import AuditorError
from auditor.report.evidence import counted
from auditor.report.page import page_of
from auditor.rule import OnFunction, OnLaws, OnModule, OnOutcomes, OnTape, Rule

_SEEN_BY = {
    OnModule: "scan",
    OnFunction: "scan",
    OnTape: "record",
    OnLaws: "profile",
    OnOutcomes: "faults",
}


@click.group(invoke_without_command=True)
@click.pass_context
def rules_command(ctx: click.Context) -> None:
    """List, explain and test the rules."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_command)


@rules_command.command("list")
def list_command() -> None:
    """One line for each rule: code, name, severity, confidence, who sees it."""
    catalogue = registry.catalogue()
    for rule in catalogue.rules:
        seen = ", ".join(dict.fromkeys(_SEEN_BY[type(check)] for check in rule.checks))
        click.echo(
            f"{rule.code} {rule.name:<28} {rule.severity.value:<8}"
            f" {rule.confidence.value:<7} {seen}"
        )
    _end_with(catalogue)


@rules_command.command("explain")
@click.argument("codes", nargs=-1, required=True, metavar="CODE...")
def explain_command(codes: tuple[str, ...]) -> None:
    """The page of a rule: what, why, bad and good code, what it misses. A name will do too."""
    catalogue = registry.catalogue()
    pages = [page_of(_wanted(catalogue, code)) for code in codes]
    click.echo("\n\n".join(pages), nl=False)


@rules_command.command("test")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--rule", "codes", multiple=True, metavar="CODE", help="Only this rule.")
def test_command(path: Path | None, codes: tuple[str, ...]) -> None:
    """Hold rules to their bad and good examples: all that are installed, or those in PATH.

    PATH is a file or folder of rule modules. They are imported: they are yours.
    """
    catalogue = registry.catalogue() if path is None else registry.Catalogue(_rules_in(path))
    rules = tuple(_wanted(catalogue, code) for code in codes) or catalogue.rules
    complaints = 0
    for rule in rules:
        for complaint in check_examples(rule):
            complaints += 1
            click.echo(f"{rule.code} {rule.name}: {complaint}")
    examples = sum(len(rule.bad) + len(rule.good) for rule in rules)
    counts = ((len(rules), "rule"), (examples, "example"), (complaints, "complaint"))
    click.echo(", ".join(counted(number, thing) for number, thing in counts))
    if complaints:
        click.get_current_context().exit(1)
    _end_with(catalogue)


def _wanted(catalogue: registry.Catalogue, code: str) -> Rule:
    rule = catalogue.rule(code)
    if rule is None:
        raise AuditorError(f"there is no rule `{code}`; `auditor rules list` names all")
    return rule


def _rules_in(path: Path) -> tuple[Rule, ...]:
    """The `RULE`s and `RULES` of the modules at and below a path. Raises AuditorError if there are
    none."""
    if not path.exists():
        raise AuditorError(f"`{path}` does not exist: name a file or folder of rules")
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    rules = tuple(rule for file in files for rule in _rules_of(_imported(file)))
    if not rules:
        raise AuditorError(
            f"`{path}` has no rule: a rule module has a `RULE` of `auditor.rule.Rule`"
        )
    return rules


def _rules_of(module: ModuleType) -> Iterator[Rule]:
    given = (getattr(module, "RULE", None), *(getattr(module, "RULES", None) or ()))
    yield from (rule for rule in given if isinstance(rule, Rule))


def _imported(file: Path) -> ModuleType:
    name = f"auditor_rules_under_test_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise AuditorError(f"`{file}` is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise AuditorError(f"`{file}` does not load: {type(error).__name__}: {error}") from error
    return module


def _end_with(catalogue: registry.Catalogue) -> None:
    for problem in catalogue.problems:
        click.echo(f"auditor: {problem.subject}: {problem.message}", err=True)
    if catalogue.problems:
        click.get_current_context().exit(2)
