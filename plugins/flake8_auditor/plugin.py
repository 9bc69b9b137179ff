"""The flake8 checker: what `auditor scan` says of one file at a time, as `DBA301 message`.

flake8 shows a checker one file and nothing around it. So this sees what a file says by itself:
names are followed to imports but not into other modules, and a query that another module issues, a
model defined elsewhere or an effect through a call across modules is not known here. `auditor scan`
sees those. Findings that are silent here are therefore not proven absent.

Settings come from the nearest configuration file of the working directory; both `# noqa: DBA301`
and `# auditor: ignore[DBA301] reason` hide a finding. `DBA000` is a problem of the tool itself.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from auditor import config, registry
from auditor.engine import filters
from auditor.engine.knowing import knowledge_with
from auditor.engine.scanning import judged_project
from auditor.model.knowledge import Knowledge
from auditor.model.settings import Settings
from auditor.source.parse import NotParsed, parse_module
from auditor.source.project import link

PROBLEM = "DBA000"


def _version() -> str:
    try:
        return version("sqlalchemy-auditor")
    except PackageNotFoundError:
        return "0"


class Checker:
    """One file, as flake8 gives it: the parameters are found by their names."""

    name = "auditor"
    version = _version()

    def __init__(self, tree: ast.AST, filename: str, lines: Sequence[str]) -> None:
        """`tree` is asked for because flake8 calls only tree checkers once a file."""
        del tree
        self._path = _shown(filename)
        self._source = "".join(lines)

    def run(self) -> Iterator[tuple[int, int, str, type[Any]]]:
        """Line, column from 0, text and checker for each finding, as flake8 wants them."""
        try:
            module = parse_module(self._path, Path(self._path).stem, self._source.encode())
        except NotParsed:
            return  # flake8 says itself that the file does not parse
        settings, catalogue, knowledge = _setup(Path.cwd())
        lines = self._source.split("\n")
        report = judged_project(
            link((module,), knowledge), settings, catalogue, lines_of=lambda _: lines
        )
        for finding in report.findings:
            text = f"{finding.code} {' '.join(finding.message.split())}"
            yield finding.span.line, finding.span.column - 1, text, type(self)
        for problem in report.problems:
            if problem.hides_results:
                yield 1, 0, f"{PROBLEM} {problem.subject}: {problem.message}", type(self)


@cache
def _setup(folder: Path) -> tuple[Settings, registry.Catalogue, Knowledge]:
    """Settings, chosen rules and knowledge, read once for each process."""
    settings = config.load(folder)
    catalogue = registry.catalogue()
    chosen = replace(catalogue, rules=filters.selected(catalogue.rules, settings))
    return settings, chosen, knowledge_with(settings.knowledge)[0]


def _shown(filename: str) -> str:
    path = Path(filename)
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_posix()
