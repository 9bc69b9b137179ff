from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from auditor import registry

Run = Callable[..., Any]

RULE = """
from auditor.model.finding import Confidence, Severity
from auditor.model.span import Span
from auditor.rule import Example, Hit, OnModule, Rule


def check(project, module):
    if "sqlite3" in module.imports:
        yield Hit(Span(module.path, 1), "<module>", {"name": "sqlite3"})


RULE = Rule(
    code="ACME001", name="bare-driver", since="1", severity=Severity.NOTE,
    confidence=Confidence.LOW, message="`{name}` is used bare", why="It is.", instead="Do not.",
    checks=(OnModule(check),),
    bad=(Example("an import", "import sqlite3  # expect: ACME001"),),
    good=(Example("another", "import %s"),),
)
"""


def test_all_rules_are_listed(run: Run) -> None:
    done = run("rules", "list")
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        rule.code for rule in registry.catalogue().rules
    ]
    assert run("rules").stdout == done.stdout


def test_a_page_is_found_by_code_and_by_name(run: Run) -> None:
    pages = {run("rules", "explain", it).stdout for it in ("dba101", "101", "interpolated-value")}
    assert [page.splitlines()[0] for page in pages] == ["# DBA101 interpolated-value"]


def test_an_unknown_rule_ends_with_2(run: Run) -> None:
    done = run("rules", "explain", "DBA777")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "auditor: there is no rule `DBA777`; `auditor rules list` names all\n"


def test_rules_of_third_parties_are_held_to_their_examples(run: Run, tmp_path: Path) -> None:
    (tmp_path / "acme.py").write_text(RULE % "json")
    done = run("rules", "test", "acme.py")
    assert (done.returncode, done.stdout) == (0, "1 rule, 2 examples, 0 complaints\n")
    (tmp_path / "acme.py").write_text(RULE % "sqlite3")
    done = run("rules", "test", "acme.py")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        (
            "ACME001 bare-driver: good example `another`: example.py:1: reported once, expected not"
            " at all"
        ),
        "1 rule, 2 examples, 1 complaint",
    ]


def test_a_file_without_rules_or_that_does_not_load_ends_with_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / "none.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("import acme_is_not_installed\n")
    assert [run("rules", "test", name).stderr for name in ("none.py", "broken.py", "lost.py")] == [
        "auditor: `none.py` has no rule: a rule module has a `RULE` of `auditor.rule.Rule`\n",
        (
            "auditor: `broken.py` does not load: ModuleNotFoundError: No module named"
            " 'acme_is_not_installed'\n"
        ),
        "auditor: `lost.py` does not exist: name a file or folder of rules\n",
    ]
