"""Which files are read, how their modules are called, and what the cache may hold."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from auditor.model.errors import AuditorError
from auditor.model.finding import Problem
from auditor.source import cache
from auditor.source.discover import discover
from auditor.source.parse import parse_module
from auditor.source.read import read_files


def tree(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def found(root: Path, *, tests: bool = False, exclude: tuple[str, ...] = ()) -> dict[str, str]:
    return {f.path: f.module for f in discover([root], tests=tests, exclude=exclude).files}


def test_modules_are_named_from_the_top_of_their_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, {"src/pkg/__init__.py": "", "src/pkg/sub/__init__.py": "",
                    "src/pkg/sub/m.py": "", "src/pkg/space/n.py": "",
                    "src/alone.py": ""})  # fmt: skip
    monkeypatch.chdir(tmp_path)
    expected = {
        "src/alone.py": "alone",
        "src/pkg/__init__.py": "pkg",
        "src/pkg/space/n.py": "pkg.space.n",
        "src/pkg/sub/__init__.py": "pkg.sub",
        "src/pkg/sub/m.py": "pkg.sub.m",
    }
    assert found(tmp_path / "src") == expected
    assert found(tmp_path / "src" / "pkg" / "sub") == {
        path: name for path, name in expected.items() if name.startswith("pkg.sub")
    }


def test_a_package_elsewhere_is_shown_from_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, {"lib/pkg/__init__.py": "", "lib/pkg/m.py": "", "here/x": ""})
    monkeypatch.chdir(tmp_path / "here")
    assert found(tmp_path / "lib" / "pkg") == {"pkg/__init__.py": "pkg", "pkg/m.py": "pkg.m"}


def test_tests_and_excluded_files_are_counted_not_scanned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, {"a.py": "", "test_a.py": "", "tests/b.py": "", "old/c.py": "", ".git/d.py": "",
                    "venv/e.py": ""})  # fmt: skip
    monkeypatch.chdir(tmp_path)
    result = discover([tmp_path], exclude=("old/*",))
    assert [f.path for f in result.files] == ["a.py"]
    assert (result.tests_left_out, result.excluded) == (2, 1)
    assert sorted(found(tmp_path, tests=True)) == ["a.py", "old/c.py", "test_a.py", "tests/b.py"]


def test_a_test_file_that_is_named_itself_is_scanned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, {"test_a.py": ""})
    monkeypatch.chdir(tmp_path)
    assert found(tmp_path / "test_a.py") == {"test_a.py": "test_a"}


def test_loops_of_links_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, {"p/a.py": ""})
    os.symlink(tmp_path / "p", tmp_path / "p" / "again")
    monkeypatch.chdir(tmp_path)
    assert list(found(tmp_path)) == ["p/a.py"]


def test_a_path_that_does_not_exist_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AuditorError, match="`nowhere` does not exist"):
        discover(["nowhere"])


DATABASE = "import sqlalchemy\ndef f(session):\n    return session.execute(1)\n"


def test_a_bad_file_is_a_problem_and_the_rest_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, {"good.py": DATABASE, "plain.py": "x = 1\n", "bad.py": "import sqlalchemy\n)"})
    (tmp_path / "binary.py").write_bytes(b"\x00sqlalchemy\xff")
    monkeypatch.chdir(tmp_path)
    reading = read_files(discover([tmp_path]).files)
    assert [m.name for m in reading.modules] == ["good"]
    assert reading.passed_over == 1
    assert [p.subject for p in reading.problems] == ["bad.py", "binary.py"]
    assert reading.problems[0] == Problem("bad.py", "not parsed: line 2: unmatched ')'", True)


@pytest.mark.parametrize("content", [b"\x00\x01\x89PNG", "import sqlalchemy".encode("utf-16")])
def test_a_binary_file_is_not_said_to_be_without_database_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.py").write_bytes(content)
    reading = read_files(discover(["."]).files, jobs=1)
    message = "not parsed: source code string cannot contain null bytes"
    assert (reading.problems, reading.passed_over) == ((Problem("odd.py", message, True),), 0)


def test_the_same_facts_come_from_the_cache_and_from_other_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, {f"m{n}.py": DATABASE + f"x = {n}\n" for n in range(220)})
    monkeypatch.chdir(tmp_path)
    files = discover([tmp_path]).files
    folder = tmp_path / ".cache"
    alone = read_files(files, jobs=1)
    cold = read_files(files, jobs=2, cache_folder=folder)
    warm = read_files(files, jobs=2, cache_folder=folder)
    assert alone.modules == cold.modules == warm.modules
    assert (alone.cached, cold.cached, warm.cached) == (0, 0, 220)


@pytest.mark.parametrize("content", [b"", b"garbage", pickle.dumps(os.getcwd), pickle.dumps((1,))])
def test_a_broken_or_foreign_cache_entry_is_read_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    tree(tmp_path, {"m.py": DATABASE})
    monkeypatch.chdir(tmp_path)
    files = discover([tmp_path]).files
    folder = tmp_path / ".cache"
    fresh = read_files(files, cache_folder=folder)
    (entry,) = folder.rglob("*.facts")
    entry.write_bytes(content)
    again = read_files(files, cache_folder=folder)
    assert (again.modules, again.cached) == (fresh.modules, 0)


def test_a_cache_entry_cannot_run_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    assert cache.loaded(pickle.dumps(Evil())) is None
    assert not (tmp_path / "ran").exists()


def test_facts_survive_the_cache_unchanged() -> None:
    module = parse_module("m.py", "m", b"x = f'{a:d}'\ndef g(b=-1): yield b\n")
    kept = cache.dumped(module)
    assert (kept is not None and cache.loaded(kept)) == module


def test_a_cache_folder_that_cannot_be_written_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, {"m.py": DATABASE, "file": ""})
    monkeypatch.chdir(tmp_path)
    reading = read_files(discover([tmp_path]).files, cache_folder=tmp_path / "file" / "below")
    assert [m.name for m in reading.modules] == ["m"]


def test_a_lone_file_is_named_by_its_path_where_no_package_is_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, {"cloud/db/api.py": "", "cloud/db/models.py": ""})
    monkeypatch.chdir(tmp_path)
    alone = [(f.module, f.path) for f in discover(["cloud/db/api.py"]).files]
    both = [f.module for f in discover(["cloud/db/api.py", "cloud/db/models.py"]).files]
    assert (alone, both) == ([("cloud.db.api", "cloud/db/api.py")], ["api", "models"])
