"""`auditor explain-query` as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from auditor.model.law import ExplainedTerm, Law, LawResult, Power, Term, TermSite
from auditor.model.report import Report
from auditor.model.span import Frame
from auditor.report.json import render

Run = Callable[..., Any]
SOURCE = """\
from sqlalchemy import orm
from sqlalchemy.orm import Session

class Sync:
    def all(self, session: Session, labels):
        session.query(Router).all()
        for label in labels:
            session.query(Router).filter_by(label=label).all()
"""


@pytest.fixture
def sync(tmp_path: Path, run: Run) -> Path:
    (tmp_path / "sync.py").write_text(SOURCE)
    return tmp_path


def profiled(folder: Path, *terms: Term, target: str = "sync:Sync.all", cause: str = "") -> None:
    site = TermSite(Frame("sync.py", 8, "Sync.all"), cause or "explicit", "SELECT 1", "labels")
    explained = tuple(ExplainedTerm(term, (site,)) for term in terms if term.factors)
    law = LawResult("s", target, "sqlite", ("labels",), Law(terms), (), terms=explained)
    (folder / "law.json").write_text(render(Report(laws=(law,))))


ONE = Term(Fraction(1))
LABELS = (Power("labels"),)


def test_each_place_is_a_line_and_the_sum_comes_first(run: Run, sync: Path) -> None:
    done = run("explain-query", "sync.py::Sync.all")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "sync.py:5 Sync.all\n"
        "statements, as far as the source tells: 1 + |labels|\n"
        "\n"
        "  1: line 6 query.all()\n"
        "  |labels|: line 8 query.all()\n"
        "\n"
        "lengths: |labels|\n"
    )


@pytest.mark.parametrize(
    ("terms", "cause", "want"),
    [
        (
            (ONE, Term(Fraction(1), LABELS)),
            "",
            [
                "measured, s on sqlite: 1 + labels",
                "  agrees in what it grows with",
                "  1: within 1 to 1 of the estimate",
                "  labels: within 1 to 1 of the estimate",
            ],
        ),
        (
            (ONE, Term(Fraction(2), LABELS)),
            "eager batch Router.ports",
            [
                "measured, s on sqlite: 1 + 2*labels",
                "  agrees in what it grows with",
                "  1: within 1 to 1 of the estimate",
                (
                    "  2*labels: more than the 1 to 1 of the estimate; measured and not in the"
                    " estimate: `eager batch"
                ),
                "    Router.ports`",
            ],
        ),
        (
            (ONE, Term(Fraction(1), (Power("ports"),))),
            "",
            [
                "measured, s on sqlite: 1 + ports",
                (
                    "  DISAGREES: it grows with `ports`, and the estimate has no such length;"
                    " the estimate grows with"
                ),
                "    `|labels|` for sure",
                "  1: within 1 to 1 of the estimate",
            ],
        ),
        (
            (ONE,),
            "",
            [
                "measured, s on sqlite: 1",
                "  DISAGREES: the estimate grows with `|labels|` for sure",
                "  1: within 1 to 1 of the estimate",
            ],
        ),
    ],
)
def test_a_profile_of_the_function_is_compared(
    run: Run, sync: Path, terms: tuple[Term, ...], cause: str, want: list[str]
) -> None:
    profiled(sync, *terms, cause=cause)
    done = run("explain-query", "sync.py::Sync.all", "--against", "law.json")
    assert done.stdout.split("\n\n")[-1].rstrip("\n").split("\n") == want


@pytest.mark.parametrize(
    ("arguments", "want"),
    [
        (("sync.py",), "`sync.py`: write it as `path/to/file.py::Class.method`"),
        (("nowhere.py::f",), "`nowhere.py` does not exist"),
        ((".::f",), "`.` is a folder; name the file that holds `f`"),
        (
            ("sync.py::all",),
            "`sync.py` has no function `all` among its 1 functions; did you mean `Sync.all`?",
        ),
        (("bad.py::f",), "`bad.py`: not parsed: line 1: invalid syntax"),
        (("sync.py::Sync.all", "--against", "none.json"), "cannot read `none.json`"),
        (("sync.py::Sync.all", "--against", "empty.json"), "`empty.json` holds no law"),
        (
            ("sync.py::Sync.all", "--against", "law.json"),
            "`law.json`: no law was measured on `Sync.all`, but on `other:f`",
        ),
    ],
)
def test_bad_input_is_told_and_ends_with_2(
    run: Run, sync: Path, arguments: tuple[str, ...], want: str
) -> None:
    (sync / "bad.py").write_text("def f(:\n")
    (sync / "empty.json").write_text(json.dumps(json.loads(render(Report()))))
    profiled(sync, ONE, target="other:f")
    done = run("explain-query", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"auditor: {want}")


def test_what_cannot_be_told_is_said_beside_a_count_of_none(run: Run, sync: Path) -> None:
    (sync / "manager.py").write_text(
        "from sqlalchemy.orm import Session\n\n\n"
        "class Manager:\n"
        "    def __init__(self, driver):\n"
        "        self.driver = driver\n\n"
        "    def grants(self, ids):\n"
        "        return self._grants(ids)\n\n"
        "    def _grants(self, ids):\n"
        "        return self.driver.grants(ids)\n\n"
        "    def found(self, session: Session, build):\n"
        "        query = build(session)\n"
        "        return query.all()\n"
    )
    assert run("explain-query", "manager.py::Manager.grants").stdout.split("\n")[1:] == [
        "statements, as far as the source tells: 0, and what is named below",
        "",
        "not in the estimate:",
        "  what `self.driver.grants()` at manager.py:12 does is not known",
        "",
    ]
    assert run("explain-query", "manager.py::Manager.found").stdout.split("\n")[1:] == [
        "statements, as far as the source tells: 0, and what is named below",
        "",
        "not in the estimate:",
        "  `build()` at manager.py:15 is given a session or context and is not known",
        "  whether `query.all()` at manager.py:16 is a query",
        "",
    ]
