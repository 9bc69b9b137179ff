"""The program as a user runs it, in a folder with one bad and one good file."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from auditor.cli import main

BAD = """\
from sqlalchemy import text


def find(session, name):
    return session.execute(text(f"SELECT id FROM users WHERE name = '{name}'"))
"""


@dataclass(frozen=True, slots=True)
class Done:
    """A finished run."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("scan", "bad.py")` runs the program in this process, in the folder of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))

    def finished(*arguments: str) -> Done:
        out = io.TextIOWrapper(io.BytesIO(), "utf-8", "surrogateescape")
        err = io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main.run(arguments)
        out.flush()
        return Done(status, out.buffer.getvalue().decode(), err.getvalue())

    return finished


@pytest.fixture
def run_alone(tmp_path: Path) -> Run:
    """The same in a process of its own; keywords are environment variables."""

    def finished(*arguments: str, **changes: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "auditor", *arguments],
            cwd=tmp_path,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / ".cache"), **changes},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return finished


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bad.py").write_text(BAD)
    (tmp_path / "good.py").write_text("import sqlalchemy\n")
    return tmp_path
