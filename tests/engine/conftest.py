"""A rule that reports every call of `execute`, and a folder with two modules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from auditor.model.finding import Confidence, Severity
from auditor.model.settings import Settings
from auditor.model.span import Span
from auditor.registry import Catalogue
from auditor.rule import Check, Hit, Hits, OnFunction, Rule
from auditor.source.facts import Call, FunctionFacts, ModuleFacts, dotted
from auditor.source.project import Project

MakeRule = Callable[..., Rule]

EMPTY = Rule(
    code="DBA901",
    name="called-execute",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    message="`{name}` is called",
    why="",
    instead="",
    checks=(),
    bad=(),
    good=(),
)


def executes(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    for event in function.events:
        if isinstance(event, Call) and dotted(event.func).endswith("execute"):
            span = Span(module.path, *event.at)
            yield Hit(span, function.qualname, {"name": dotted(event.func)})


@pytest.fixture
def make_rule() -> MakeRule:
    def make(*checks: Check, code: str = "DBA901", **changes: object) -> Rule:
        return replace(EMPTY, code=code, checks=checks or (OnFunction(executes),), **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def rules(make_rule: MakeRule) -> Catalogue:
    return Catalogue((make_rule(),))


@pytest.fixture
def settings() -> Settings:
    return Settings(cache_dir="-", jobs=1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a package of two modules."""
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text(
        "def first(session):\n    session.execute('a')\n\n\ndef second(session):\n"
        "    session.execute('a')\n    session.execute('a')\n"
    )
    (package / "two.py").write_text(
        "def third(cursor):\n    cursor.execute(\n        'b',\n    )\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path
