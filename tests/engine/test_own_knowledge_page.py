"""The worked example of docs/own-knowledge.md, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from auditor import config
from auditor.engine import scan

PAGE = Path(__file__).parent.parent.parent / "docs" / "own-knowledge.md"


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_rows_of_the_page_find_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("service.py").write_text(block("python"))
    Path("pyproject.toml").write_text('[tool.auditor]\ncache-dir = "-"\n')
    assert scan(["service.py"], config.load(tmp_path)).findings == ()
    with Path("pyproject.toml").open("a") as file:
        file.write(block("toml"))
    found = scan(["service.py"], config.load(tmp_path)).findings
    assert [f"{one.span} {one.code}" for one in found] == block("text").splitlines()
