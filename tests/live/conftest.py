"""The runner of live scenarios: small programs on a real engine, and what must be said of them.

A program is the models of this folder (`models.txt`, or another that the test names), which it
imports, and its own source with

    def run(session): ...         gets a Session; `run(engine)` gets the Engine
    async def run(session): ...   gets an AsyncSession; `run(engine)` an AsyncEngine

Marks in its comments say what must be said, all of it and nothing else, at default confidence:

    # emits DBA302              on this line; `models` instead: somewhere in the models
    # loops DBA302              the line it must name as looping
    # says DBA302 <words>       what its message must have

A program without marks must be silent. `said(source)` gives what was said, `expected(source)` what
the marks ask for, both as lines; a test compares them.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from auditor.engine.recorded_source import recorded_project
from auditor.engine.running import over_tape
from auditor.model.evidence import SourcePath
from auditor.model.finding import Confidence, Finding
from auditor.model.settings import Settings
from auditor.model.tape import Tape
from auditor.registry import catalogue
from auditor.rule import OnTape
from auditor.runtime.rehearsal import rehearsed

Scenario = Callable[..., None]

HEAD = """
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, joinedload, selectinload

import live_models
from live_models import *

prepare = live_models.prepare

"""
_MARK = re.compile(r"# (?P<what>emits|loops|models|says) (?P<code>DBA\d{3})(?: <(?P<words>.*)>)?")
_GLUE = {
    (
        False,
        True,
    ): "def run(engine):\n    with Session(engine) as session:\n        main(session)\n",
    (True, True): (
        "async def run(engine):\n    async with AsyncSession(engine) as session:\n"
        "        await main(session)\n"
    ),
    (False, False): "def run(engine):\n    main(engine)\n",
    (True, False): "async def run(engine):\n    await main(engine)\n",
}
_RULES = tuple(r for r in catalogue().rules if any(isinstance(c, OnTape) for c in r.checks))


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    """Runs a program and compares what is said with what its marks ask for."""

    def check(source: str, models: str = "models") -> None:
        program = _program(source)
        models = (Path(__file__).parent / f"{models}.txt").read_text("utf-8")
        tape = rehearsed((("live_models.py", models), ("program.py", program)), tmp_path)
        assert _said(tape, tmp_path, program) == _expected(program)

    return check


def _program(source: str) -> str:
    """The whole program: imports, the scenario with its `run` as `main`, and what starts it."""
    body = textwrap.dedent(source).strip("\n") + "\n"
    run = next(
        node
        for node in ast.parse(body).body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == "run"
    )
    is_async = isinstance(run, ast.AsyncFunctionDef)
    glue = _GLUE[is_async, run.args.args[0].arg == "session"]
    return HEAD + re.sub(r"\bdef run\(", "def main(", body, count=1) + "\n" + glue


def _expected(program: str) -> list[str]:
    """`DBA302 at 12, loops at 11`, with no words missing, for each mark."""
    loops: dict[str, list[int]] = {}
    emits: list[tuple[str, int]] = []
    for number, line in enumerate(program.split("\n"), 1):
        for mark in _MARK.finditer(line):
            if mark["what"] == "loops":
                loops.setdefault(mark["code"], []).append(number)
            elif mark["what"] != "says":
                emits.append((mark["code"], number if mark["what"] == "emits" else 0))
    return sorted(f"{code} at {line}, loops at {loops.get(code, [0])}" for code, line in emits)


def _said(tape: Tape, folder: Path, program: str) -> list[str]:
    project, problems = recorded_project(tape, Settings(cache_dir="-"), folder)
    judged = over_tape(_RULES, tape, project)
    assert (problems, judged.problems) == ((), ())
    shown = [f for f in judged.findings if f.confidence is not Confidence.LOW]
    loops: dict[tuple[str, int], list[int]] = {}
    for finding in shown:
        line = _line_that_loops(finding)
        at = finding.span.line if finding.span.path == "program.py" else 0
        loops.setdefault((finding.code, at), []).append(line)
    said = sorted(f"{code} at {line}, loops at {at}" for (code, line), at in loops.items())
    return said + [word for finding in shown for word in _missing(finding, program)]


def _line_that_loops(finding: Finding) -> int:
    path = next((one for one in finding.evidence if isinstance(one, SourcePath)), None)
    return path.steps[0].span.line if path is not None and len(path.steps) > 1 else 0


def _missing(finding: Finding, program: str) -> list[str]:
    """The words that the marks ask for and the message has not."""
    words = [
        m["words"] for m in _MARK.finditer(program) if m["words"] and m["code"] == finding.code
    ]
    return [
        f"`{word}` is not in: {finding.message}" for word in words if word not in finding.message
    ]
