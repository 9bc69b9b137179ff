"""Nasty files: nothing crashes, hangs or runs, and each gives facts or a Problem."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import auditor
from auditor.engine import scan
from auditor.engine.scanning import NO_CACHE
from auditor.model.finding import Problem
from auditor.model.report import Report
from auditor.model.settings import Settings

ALONE = Settings(cache_dir=NO_CACHE, jobs=1, tests=True)
BAD = """\
from sqlalchemy import text


def find(session, name):
    return session.execute(text(f"SELECT id FROM users WHERE name = '{name}'"))
"""
SECONDS = 60


@pytest.fixture(autouse=True)
def in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of its own, and an end to whatever hangs."""

    def too_late(_: int, __: object) -> None:
        pytest.fail(f"not done after {SECONDS} seconds")

    monkeypatch.chdir(tmp_path)
    before = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def scanned(source: str | bytes, name: str = "it.py") -> Report:
    """What a scan of this one source says; a rule that fails is a failure of the test."""
    content = source.encode() if isinstance(source, str) else source
    Path(name).write_bytes(content)
    report = scan([name], ALONE)
    assert [p for p in report.problems if p.subject.startswith("rule ")] == []
    return report


def lines(report: Report) -> list[tuple[str, int]]:
    return [(finding.code, finding.span.line) for finding in report.findings]


READ = {
    "CRLF": BAD.replace("\n", "\r\n").encode(),
    "byte order mark": b"\xef\xbb\xbf" + BAD.encode(),
    "latin-1 with a cookie": b"# coding: latin-1\n# \xe9\n" + BAD.encode(),
    "form feeds": BAD.replace("\n\n\n", "\n\f\n\f\n").encode(),
    "no last line end": BAD.rstrip().encode(),
    "tabs": BAD.replace("    ", "\t").encode(),
}


@pytest.mark.parametrize("name", READ)
def test_odd_but_correct_source_is_read(name: str) -> None:
    line = 7 if "cookie" in name else 5
    report = scanned(READ[name])
    assert (lines(report), report.problems) == ([("DBA101", line)], ())


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "UTF-16": (BAD.encode("utf-16"), "source code string cannot contain null bytes"),
    "NUL": (BAD.encode() + b"\0", "source code string cannot contain null bytes"),
    "Python 2": ('import sqlalchemy\nprint "x"\n', "line 2: Missing parentheses in call to"),
    "backticks": ("import sqlalchemy\nx = `y`\n", "line 2: invalid syntax"),
    "merge conflict": ("import sqlalchemy\n<<<<<<< HEAD\nx = 1\n", "line 2: invalid syntax"),
    "half a file": (BAD[:-4], "line 5: "),
    "latin-1 without a cookie": (BAD.encode() + b"x = '\xe9'\n", "(unicode error) 'utf-8'"),
    "unknown cookie": (b"# coding: klingon\n" + BAD.encode(), "unknown encoding: klingon"),
    "deep brackets": ("import sqlalchemy\nx = " + "[" * 5000 + "]" * 5000, "too many nested"),
    "deep blocks": (
        "import sqlalchemy\n" + "".join(f"{' ' * n}if x:\n" for n in range(150)) + " " * 150 + "x",
        "line 102: too many levels of indentation",
    ),
    "mixed tabs": ("import sqlalchemy\nif x:\n\ty\n        z\n", "line 4: inconsistent use of"),
    "a return too many": ("import sqlalchemy\n)\n", "line 2: unmatched ')'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_source_is_one_problem_that_says_why(name: str) -> None:
    source, why = REFUSED[name]
    (problem,) = scanned(source).problems
    assert (problem.subject, problem.hides_results) == ("it.py", True)
    assert problem.message.startswith("not parsed: ")
    if name != "NUL" or sys.version_info < (3, 12):  # 3.12 says it with a line
        assert why in problem.message


LONG: dict[str, Callable[[], str]] = {
    "a hundred thousand lines": lambda: BAD + "x = 1\n" * 100_000,
    "a huge literal": lambda: BAD + f"x = {'9' * 3000}\ny = {'a' * 1_000_000!r}\n",
    "a huge list": lambda: BAD + "x = [" + "1, " * 200_000 + "]\n",
    "a huge table": lambda: BAD + f"x = {dict.fromkeys(range(50_000), 'k')}\n",
    "a long sum": lambda: BAD + "x = " + " + ".join(["'a'"] * 900) + "\n",
    "a long chain of calls": lambda: BAD + "q = session.query(M)" + ".filter(a == 1)" * 900 + "\n",
    "a long elif": lambda: BAD + "if x: pass\n" + "elif y: session.commit()\n" * 300,
    "a long line": lambda: BAD + "; ".join(["session.execute('x')"] * 5000) + "\n",
    "many functions": lambda: BAD + "def f(session): session.flush()\n" * 5000,
    "one function many times itself": lambda: BAD
    + "def f(s):\n" + "    f(s); s.execute('x')\n" * 2000,
    "many loops in loops": lambda: BAD
    + "".join(f"{' ' * n}for x in y:\n" for n in range(19)) + " " * 19 + "session.execute(x)\n",
    "bases in a circle": lambda: BAD + "class A(B): pass\nclass B(A): pass\nclass C(C): pass\n",
    "names in a circle": lambda: BAD + "a = b\nb = c\nc = a\nsession.execute(a)\n",
    "calls in a circle": lambda: BAD + "def f(s): return g(s)\ndef g(s): return f(s)\nf(g(f))\n",
    "imports of itself": lambda: "from it import *\nimport it as it\nfrom it import find\n" + BAD,
    "many branches": lambda: BAD
    + "def f(s, q):\n" + "    if q: q = q.filter(s.a)\n    else: q = s.query(q)\n" * 400
    + "    s.execute(q)\n",
    "many pieces of text": lambda: BAD
    + "def f(s, q):\n" + "    if q: q += f' AND x = {q}'\n" * 400 + "    s.execute(q)\n",
}  # fmt: skip


@pytest.mark.parametrize("name", LONG)
def test_long_and_tangled_source_gives_facts_or_a_problem(name: str) -> None:
    report = scanned(LONG[name]())
    line = 8 if name == "imports of itself" else 5
    told = [problem.message for problem in report.problems]
    assert ("DBA101", line) in lines(report) or told == ["not parsed: nested too deeply to be read"]


DEEP: dict[str, Callable[[int], str]] = {
    "calls": lambda n: "f(" * n + "x" + ")" * n,
    "attributes": lambda n: "x" + ".a" * n,
    "negations": lambda n: "-" * n + "1",
    "powers": lambda n: "**".join("1" * n),
    "lambdas": lambda n: "lambda: " * n + "1",
    "choices": lambda n: "1 if x else " * n + "1",
    "text": lambda n: "+".join(['"a"'] * n),
    "methods": lambda n: "session" + ".query()" * n,
}


@pytest.mark.parametrize("depth", [150, 2_000, 20_000])
@pytest.mark.parametrize("name", DEEP)
def test_deep_expressions_give_facts_or_a_problem(name: str, depth: int) -> None:
    report = scanned(f"import sqlalchemy\nx = {DEEP[name](depth)}\n")
    assert report.counted["functions"] == 0
    assert len(report.problems) == report.counted["files_unreadable"] <= 1


def test_files_that_are_none_are_problems_and_the_rest_is_read(tmp_path: Path) -> None:
    Path("good.py").write_text(BAD)
    os.mkfifo("pipe.py")
    os.symlink("loop.py", "loop.py")
    os.symlink("nowhere", "gone.py")
    os.symlink("nowhere", ".#lock.py")
    Path("folder.py").mkdir()
    os.symlink(tmp_path, Path("folder.py") / "up")
    Path("large.py").write_text("import sqlalchemy\n" + "# x\n" * 1_100_000)
    report = scan(["."], ALONE)
    assert report.findings[0].span.path == "good.py"
    assert report.problems == (
        Problem("gone.py", "not read: No such file or directory", hides_results=True),
        Problem("large.py", "larger than 4 MiB, not read", hides_results=True),
        Problem("loop.py", "not read: Too many levels of symbolic links", hides_results=True),
        Problem("pipe.py", "not read: it is not a regular file", hides_results=True),
    )


@pytest.mark.parametrize("name", ["pipe.py", "pipe"])
def test_a_pipe_that_is_named_itself_is_a_problem(name: str) -> None:
    os.mkfifo(name)
    (problem,) = scan([name], ALONE).problems
    assert problem == Problem(name, "not read: it is not a regular file", hides_results=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_a_problem() -> None:
    Path("it.py").write_text(BAD)
    Path("it.py").chmod(0)
    (problem,) = scan(["."], ALONE).problems
    assert problem == Problem("it.py", "not read: Permission denied", hides_results=True)


@pytest.mark.parametrize("settings_", [ALONE, Settings(cache_dir=".cache", tests=True)])
def test_a_tripwire_is_read_and_not_sprung(settings_: Settings) -> None:
    wire = "import sqlalchemy\nopen('sprung', 'w').close()\nraise SystemExit(3)\n"
    for name in ("__init__.py", "conftest.py", "setup.py", "sitecustomize.py", "sqlalchemy.py",
                 "auditor.py", "tripwire.py"):  # fmt: skip
        Path(name).write_text(wire + BAD)
    Path("pyproject.toml").write_text("[project.entry-points.'auditor.rules']\nx = 'tripwire:X'\n")
    for _ in range(2):
        assert len(scan(["."], settings_).findings) == 7
    assert (Path("sprung").exists(), "tripwire" in sys.modules) == (False, False)


REAL = sorted(Path(auditor.__file__).parent.rglob("*.py"))
SAMPLE = Path(auditor.__file__).parents[1] / "sample_schemas"
MUTABLE = [
    p.read_bytes() for p in (*sorted(SAMPLE.rglob("*.py")), *REAL) if p.stat().st_size < 9000
]
TOKENS = [b"(", b")", b"[", b"]", b":", b"\n", b"    ", b"session", b".execute(",
          b" for x in y", b"async ", b"await ", b"*", b"**", b"lambda: ", b"f'{x}'", b"%",
          b"yield ", b"with x: ", b"\\\n", b"\xff", b"\x00", b"#", b"'''", b"self.",
          b"return ", b"None", b":=", b"@"]  # fmt: skip


def mutated(source: bytes, seed: int, times: int) -> bytes:
    """The source with lines moved, doubled and dropped, and tokens put in or cut out."""
    chance = random.Random(seed)
    for _ in range(times):
        rows = source.split(b"\n")
        first, second = chance.randrange(len(rows)), chance.randrange(len(rows))
        at = chance.randrange(len(source) + 1)
        end = min(len(source), at + chance.randrange(40))
        source = chance.choice(
            (
                lambda: b"\n".join((*rows[:first], rows[second], *rows[first:])),  # noqa: B023
                lambda: b"\n".join((*rows[:first], *rows[first + 1 :])),  # noqa: B023
                lambda: source[:at] + chance.choice(TOKENS) + source[at:],  # noqa: B023
                lambda: source[:at] + source[end:],  # noqa: B023
            )
        )()
    return source


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(MUTABLE), st.integers(0, 2**32), st.integers(1, 8))
def test_mutated_real_source_gives_facts_or_a_problem(source: bytes, seed: int, times: int) -> None:
    report = scanned(b"import sqlalchemy\n" + mutated(source, seed, times))
    told = [problem for problem in report.problems if problem.hides_results]
    assert len(told) == report.counted["files_unreadable"] <= 1
    assert all(problem.subject == "it.py" for problem in told)
