"""What a check says it needs saves time and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from auditor import registry
from auditor.engine import running
from auditor.engine.knowing import knowledge_with
from auditor.examples import files_of
from auditor.rule import Example, OnFunction, Rule
from auditor.source.parse import parse_module
from auditor.source.project import Project, link

ROOT = Path(__file__).parents[2]
KNOWLEDGE, _ = knowledge_with()
RULES = tuple(
    rule
    for rule in registry.catalogue().rules
    if any(isinstance(check, OnFunction) for check in rule.checks)
)


def without_needs(rule: Rule) -> Rule:
    checks = tuple(
        replace(check, needs=(), calls=frozenset()) if isinstance(check, OnFunction) else check
        for check in rule.checks
    )
    return replace(rule, checks=checks)


def project_of(files: Iterator[tuple[str, str]]) -> Project:
    modules = (
        parse_module(path, path.removesuffix(".py").replace("/", "."), text.encode())
        for path, text in files
    )
    return link(modules, KNOWLEDGE)


EXAMPLES = tuple(
    (rule.code, example)
    for rule in RULES
    for example in (*rule.bad, *rule.good)
    if isinstance(example, Example)
)


@pytest.mark.parametrize("code", sorted({code for code, _ in EXAMPLES}))
def test_all_rules_say_the_same_of_examples_with_and_without_needs(code: str) -> None:
    for of, example in EXAMPLES:
        if of == code:
            project = project_of((path, dedent(text)) for path, text in files_of(example))
            want = running.over_project(map(without_needs, RULES), project)
            assert running.over_project(RULES, project) == want


@pytest.mark.parametrize("folder", ["sample_schemas", "auditor/faults", "auditor/backends"])
def test_all_rules_say_the_same_of_real_code_with_and_without_needs(folder: str) -> None:
    paths = sorted((ROOT / folder).rglob("*.py"))
    project = project_of((str(path.relative_to(ROOT)), path.read_text()) for path in paths)
    want = running.over_project(map(without_needs, RULES), project)
    assert running.over_project(RULES, project) == want


def test_most_checks_are_not_called_on_most_functions() -> None:
    paths = sorted((ROOT / "sample_schemas").rglob("*.py"))
    project = project_of((str(path.relative_to(ROOT)), path.read_text()) for path in paths)
    needy = tuple(
        replace(rule, checks=tuple(c for c in rule.checks if isinstance(c, OnFunction)))
        for rule in RULES
    )
    calls = Counter(task.rule.code for task in running.static_tasks(needy, project))
    all_of_them = Counter(
        task.rule.code for task in running.static_tasks([*map(without_needs, needy)], project)
    )
    assert sum(calls.values()) < 2 / 3 * sum(all_of_them.values())
