from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest

from auditor import config
from auditor.model.errors import SettingsError
from auditor.model.finding import Confidence
from auditor.model.settings import KnowledgeRow, PathIgnore, Settings

TOML = """\
[project]
name = "x"

[tool.auditor]
select = ["DBA1", "DBA301"]
ignore = ["DBA103"]
exclude = ["*/migrations/*"]
confidence = "low"
tests = true
jobs = 2
cache-dir = "-"

[tool.auditor.per-file-ignores]
"pkg/*.py" = ["DBA3"]

[[tool.auditor.knowledge.callables]]
name = "ourlib.fetch"
effects = ["read", "flush"]
lazy = true
"""
WHOLE = Settings(
    select=("DBA1", "DBA301"),
    ignore=("DBA103",),
    per_file_ignores=(PathIgnore("pkg/*.py", ("DBA3",)),),
    exclude=("*/migrations/*", "migrations/*"),
    confidence=Confidence.LOW,
    tests=True,
    jobs=2,
    cache_dir="-",
)
INI = """\
[testenv]
deps = %(nothing)s

[auditor]
select = DBA1, DBA301
ignore =
    DBA103
exclude = */migrations/*
confidence = low
tests = yes
jobs = 2
cache_dir = -
per-file-ignores =
    pkg/*.py: DBA3
"""


def test_every_setting_is_read_from_toml(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(TOML)
    row = KnowledgeRow(
        "callables", (("name", "ourlib.fetch"), ("effects", "read,flush"), ("lazy", "true"))
    )
    found = config.load(tmp_path)
    assert found.knowledge == (row,)
    assert found == config.read(tmp_path / "pyproject.toml")
    (tmp_path / "pyproject.toml").write_text(TOML.partition("[[")[0])
    assert config.load(tmp_path) == WHOLE


@pytest.mark.parametrize("name", ["tox.ini", "setup.cfg"])
def test_every_setting_is_read_from_ini(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(INI)
    assert config.load(tmp_path) == WHOLE


def test_the_nearest_file_with_a_section_of_ours_counts(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "tox.ini").write_text("[auditor]\njobs = 1\n")
    (tmp_path / "a" / "setup.cfg").write_text("[auditor]\njobs = 2\n")
    (inner / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    assert config.load(inner).jobs == 2


@pytest.mark.parametrize(
    ("written", "here", "path"),
    [
        ("pkg/db/*", ".", "pkg/db/x.py"),
        ("pkg/db/*", "pkg", "db/x.py"),
        ("pkg/db/*", "pkg/db", "x.py"),
        ("pkg/*", "pkg/db", "x.py"),
        ("pkg", "pkg/db", "x.py"),
        ("pkg/db", ".", "pkg/db/deep/x.py"),
        ("pkg/db/", ".", "pkg/db/x.py"),
        ("./pkg/db/x.py", ".", "pkg/db/x.py"),
        ("pkg\\db\\*", ".", "pkg/db/x.py"),
        ("**/db/*", "pkg", "db/x.py"),
        ("pkg/**/x.py", ".", "pkg/x.py"),
        ("pkg/*/x.py", "pkg", "db/x.py"),
        ("pkg/*.py", "pkg/db", "x.py"),
    ],
)
def test_patterns_are_of_paths_below_the_folder_of_the_file_wherever_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, here: str, path: str
) -> None:
    text = f"[tool.auditor]\nexclude = ['{written}']\n"
    (tmp_path / "pyproject.toml").write_text(text)
    (tmp_path / "pkg" / "db").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / here)
    patterns = config.load(Path.cwd()).exclude
    assert any(fnmatch(path, pattern) for pattern in patterns)
    is_all = here != "." and path == "x.py"
    assert any(fnmatch("other.py", pattern) for pattern in patterns) == is_all


def test_without_a_file_the_defaults_count(tmp_path: Path) -> None:
    assert config.load(tmp_path) == Settings()


def test_a_broken_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.other\n")
    (tmp_path / "setup.cfg").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read"):
        config.load(tmp_path)
    (tmp_path / "setup.cfg").unlink()
    assert config.load(tmp_path) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "pyproject.toml",
            "[tool.auditor]\nselct = []\n",
            (":2: there is no setting `selct`; there are `select`, `ignore`, `per-file-ignores`,"
            " `exclude`, `confidence`, `tests`, `jobs`, `cache-dir`, `knowledge`"),
        ),
        (
            "pyproject.toml",
            "[tool.x]\nconfidence = 1\n\n[tool.auditor]\nconfidence = 'sure'\n",
            ":5: `confidence` is `'sure'`; it must be one of `high`, `medium`, `low`",
        ),
        (
            "pyproject.toml",
            "[tool.auditor]\njobs = true\n",
            ":2: `jobs` is `True`; it must be a whole number, 0 or more",
        ),
        (
            "pyproject.toml",
            "[tool.auditor]\njobs = -1\n",
            ":2: `jobs` is `-1`; it must be a whole number, 0 or more",
        ),
        (
            "pyproject.toml",
            "[tool.auditor]\ntests = 'yes'\n",
            ":2: `tests` is `'yes'`; it must be true or false",
        ),
        (
            "pyproject.toml",
            "[tool.auditor]\nselect = 'DBA1'\n",
            ":2: `select` is `'DBA1'`; it must be a list of strings",
        ),
        (
            "pyproject.toml",
            "[tool.auditor]\nignore = ['raw sql']\n",
            ":2: `ignore` has `raw sql`, not a code or prefix such as `DBA301` or `DBA3`",
        ),
        (
            "pyproject.toml",
            "[tool.auditor]\ncache-dir = 3\n",
            ":2: `cache-dir` is `3`; it must be a string",
        ),
        (
            "pyproject.toml",
            "[tool.auditor]\nper-file-ignores = ['DBA1']\n",
            (":2: `per-file-ignores` is `['DBA1']`; it must be a table from path patterns to lists"
            " of codes"),
        ),
        (
            "pyproject.toml",
            "[tool.auditor]\nknowledge = 1\n",
            (":2: `knowledge` is `1`; it must be a table; write"
            " `[[tool.auditor.knowledge.<table>]]`"),
        ),
        (
            "pyproject.toml",
            "[tool.auditor.knowledge.sinks]\nname = 'x'\n",
            (":1: `sinks` is `{'name': 'x'}`; it must be a list of rows; write"
            " `[[tool.auditor.knowledge.sinks]]`"),
        ),
        (
            "pyproject.toml",
            "[tool]\nauditor = 3\n",
            ":2: `tool.auditor` is `3`, not a table",
        ),
        ("tox.ini", "[auditor]\njobs = many\n", (":2: `jobs` is `'many'`; it must be a whole"
         " number, 0 or more")),
        ("tox.ini", "[auditor]\nper-file-ignores =\n    DBA1\n", (":2: `per-file-ignores` has"
         " `DBA1`, which is not `pattern: CODES`")),
        ("tox.ini", "[auditor]\nknowledge = x\n", (":2: `knowledge` is `'x'`; it must be a table;"
         " write `[[tool.auditor.knowledge.<table>]]`")),
    ],
)  # fmt: skip
def test_a_bad_value_is_told_with_file_line_and_what_is_allowed(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(SettingsError) as raised:
        config.load(tmp_path)
    assert str(raised.value) == f"{path}{message}"


def test_a_broken_file_that_names_us_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("[tool.auditor\n")
    with pytest.raises(SettingsError, match="is not TOML: "):
        config.load(tmp_path)
    (tmp_path / "pyproject.toml").unlink()
    (tmp_path / "tox.ini").write_text("auditor\n")
    with pytest.raises(SettingsError, match=r"tox\.ini: File contains no section headers"):
        config.load(tmp_path)


def test_a_named_file_must_be_there_and_have_a_section(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    with pytest.raises(SettingsError) as raised:
        config.read(path)
    assert str(raised.value) == f"there is no configuration file `{path}`"
    path.write_text("[tool.x]\n")
    with pytest.raises(SettingsError) as raised:
        config.read(path)
    assert str(raised.value) == f"{path}: there is no section `[tool.auditor]`"
    path.write_text("[tool.auditor]\njobs = 3\n")
    assert config.read(path) == Settings(jobs=3)
