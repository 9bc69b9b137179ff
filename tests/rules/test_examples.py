from __future__ import annotations

import pytest

from auditor import registry
from auditor.examples import check_examples
from auditor.model.finding import Confidence, Severity
from auditor.model.span import Span
from auditor.rule import Example, Hit, Hits, OnModule, Rule
from auditor.source.facts import ModuleFacts
from auditor.source.project import Project

RULES = registry.catalogue().rules


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.code}-{rule.name}")
def test_a_rule_reports_exactly_the_marked_lines_of_its_examples(rule: Rule) -> None:
    assert check_examples(rule) == ()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.code}-{rule.name}")
def test_a_rule_has_a_whole_page(rule: Rule) -> None:
    assert all((rule.why, rule.instead, rule.message, rule.since))
    titles = [example.title for example in (*rule.bad, *rule.good)]
    assert len(titles) == len(set(titles))


def rule_on(*lines: int, bad: str, good: str = "x = 1") -> Rule:
    """A rule that reports these lines of any module that imports `sqlalchemy`."""

    def check(project: Project, module: ModuleFacts) -> Hits:
        if "sqlalchemy" in module.imports:
            yield from (
                Hit(Span(module.path, line, n + 1), "<module>") for n, line in enumerate(lines)
            )

    return Rule(
        code="DBA901",
        name="it",
        since="0.1.0",
        severity=Severity.NOTE,
        confidence=Confidence.LOW,
        message="it",
        why="",
        instead="",
        checks=(OnModule(check),),
        bad=(Example("one", bad),),
        good=(Example("two", good),),
    )


MARKED = "import sqlalchemy\nx = 1  # expect: DBA901\n"


@pytest.mark.parametrize(
    ("rule", "complaints"),
    [
        (rule_on(2, bad=MARKED), ()),
        (
            rule_on(1, bad=MARKED),
            (
                "bad example `one`: example.py:1: reported once, expected not at all",
                "bad example `one`: example.py:2: reported not at all, expected once",
            ),
        ),
        (
            rule_on(2, 2, bad=MARKED),
            ("bad example `one`: example.py:2: reported 2 times, expected once",),
        ),
        (
            rule_on(2, bad=MARKED, good="import sqlalchemy\nx = 1\n"),
            ("good example `two`: example.py:2: reported once, expected not at all",),
        ),
        (
            rule_on(bad="import sqlalchemy"),
            ("bad example `one`: a bad example with 0 marks `# expect: DBA901`",),
        ),
        (
            rule_on(2, bad=MARKED, good="x ="),
            ("good example `two`: line 1: invalid syntax",),
        ),
        (
            rule_on(2, bad=f"# --- a/b.py\n{MARKED}# --- a/c.py\nimport sqlalchemy\n"),
            ("bad example `one`: a/c.py:2: reported once, expected not at all",),
        ),
    ],
)  # fmt: skip
def test_a_wrong_example_is_told(rule: Rule, complaints: tuple[str, ...]) -> None:
    assert check_examples(rule) == complaints
