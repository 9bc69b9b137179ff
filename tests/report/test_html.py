from __future__ import annotations

import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from auditor.model.errors import SettingsError
from auditor.model.finding import Finding, Problem
from auditor.model.report import Report
from auditor.model.tape import Tape
from auditor.report import render

pytest.importorskip("jinja2")

HOSTILE = "<script>alert('x')</script>{{ 7*7 }} & \"quoted\""


class Page(HTMLParser):
    """The tags of a page, the attributes that could fetch something, and the text by tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [name for name, _ in attrs if name in {"src", "href", "onclick", "style"}]
        if tag not in {"meta", "br"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self._open:
            self.text.setdefault(self._open[-1], []).append(data.strip())


def test_a_page_shows_what_the_report_holds(report: Report) -> None:
    page = Page(render(report, "html"))
    assert page.text["h2"] == ["Problems", "Findings", "Growth laws", "Faults", "Recorded"]
    assert page.tags.count("tr") == 2 + len(report.findings) + 1
    assert page.text["p"][0].startswith("2 findings (")


def test_a_page_fetches_and_runs_nothing(report: Report) -> None:
    page = Page(render(report, "html"))
    assert page.links == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)


def test_what_is_hostile_is_shown_as_it_is_written(loop: Finding, tape: Tape) -> None:
    entry = replace(tape.entries[0], shape=HOSTILE)
    odd = Report(
        findings=(replace(loop, message=HOSTILE, function=HOSTILE, name=HOSTILE),),
        problems=(Problem(HOSTILE, HOSTILE),),
        tape=replace(tape, entries=(entry,)),
    )
    page = Page(render(odd, "html"))
    assert "script" not in page.tags
    assert page.text["code"] == [HOSTILE]
    assert page.text["span"].count(HOSTILE) == 3  # problem, name and function


def test_an_empty_report_says_that_nothing_was_looked_at() -> None:
    page = Page(render(Report(), "html"))
    assert page.text["p"] == ["no findings", "LOOKED AT NOTHING"]
    assert "h2" not in page.text


def test_without_jinja2_the_format_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "auditor.report.html", raising=False)
    with pytest.raises(SettingsError) as error:
        render(Report(), "html")
    assert str(error.value) == (
        "the format `html` needs `jinja2`, which is not installed:"
        " `pip install sqlalchemy-auditor[html]`"
    )
