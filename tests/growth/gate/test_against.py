from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy

from auditor.cli.main import run
from auditor.growth.revisions import PREFIX, project_at, worktree

Commit = Callable[[str, str], str]
Git = Callable[..., str]
WHY = "because of shop/listing.py:8 in listed (explicit)"


def changes(out: str) -> list[tuple[str, str, str, str]]:
    return [
        (one["since"].partition(" ")[0], one["before"], one["after"], one["change"])
        for law in json.loads(out)["laws"]
        for one in law["changes"]
    ]


def test_a_law_that_became_worse_is_told_with_the_new_place(
    project: Path,
    scenarios: str,
    left_over: Callable[[], list[str]],
    git: Git,
    capfd: pytest.CaptureFixture[str],
) -> None:
    status = run(["profile", scenarios, "--against", "v1", "--select", "DBA320", "-q"])

    out, err = capfd.readouterr()
    short = git("rev-parse", "--short=10", "v1")
    finding = (
        f"shop/listing.py:8:1 DBA320 `listing` on sqlite: statements since v1 ({short}):"
        f" 1 -> 1 + shelves: worse (at shelves=1), {WHY} [growth]\n"
        "    grows shelves (law of listing on sqlite: 1 + shelves)\n"
    )
    assert (status, err, out[: len(finding)]) == (1, "", finding)
    assert (left_over(), git("status", "--porcelain")) == ([], "")


def test_two_revisions_are_compared_and_the_dirty_working_tree_is_left_alone(
    project: Path,
    scenarios: str,
    left_over: Callable[[], list[str]],
    git: Git,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (project / "shop/listing.py").write_text("syntax error\n")

    status = run(["profile", scenarios, "--against", "v2..v1", "--format", "json"])

    assert (status, changes(capfd.readouterr().out)) == (0, [("v2", "1 + shelves", "1", "better")])
    assert (left_over(), git("status", "--porcelain")) == ([], "M shop/listing.py")


def test_the_working_tree_is_measured_with_its_changes_and_scenarios(
    project: Path, scenarios: str, capfd: pytest.CaptureFixture[str]
) -> None:
    own = project / "bench.py"  # v2 has no such file
    own.write_text(Path(scenarios).read_text())
    text = (project / "shop/listing.py").read_text()
    (project / "shop/listing.py").write_text(text.replace("in found", "in found + found"))

    status = run(["profile", "bench.py", "--against", "v2", "--format", "json"])

    found = changes(capfd.readouterr().out)
    assert (status, found) == (1, [("v2", "1 + shelves", "1 + 2*shelves", "worse")])


def test_a_bare_repository_and_one_scenario_by_name_do(
    project: Path, scenarios: str, git: Git, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare"))
    target = f"{scenarios}::listing"
    command = ["profile", target, "--project", str(tmp_path / "bare"), "--format", "json"]

    status = run([*command, "--against", "v1..v2"])

    assert (status, changes(capfd.readouterr().out)) == (1, [("v1", "1", "1 + shelves", "worse")])
    assert run([*command, "--against", "v1"]) == 2
    assert capfd.readouterr().err.endswith(
        "is bare and has no working tree: name two revisions, such as `v1..HEAD`\n"
    )


def test_a_revision_that_cannot_be_imported_is_told_and_the_other_is_measured(
    project: Path, scenarios: str, commit: Commit, capfd: pytest.CaptureFixture[str]
) -> None:
    commit("import nowhere\n", "break it")

    status = run(["profile", scenarios, "--against", "HEAD..v2", "--format", "json"])

    report = json.loads(capfd.readouterr().out)
    problem = report["problems"][0]
    assert (status, [law["law"] for law in report["laws"]]) == (2, ["1 + shelves"])
    assert problem["subject"].startswith("at HEAD (")
    assert problem["message"] == (
        f"`{scenarios}` does not run: ModuleNotFoundError: No module named 'nowhere'"
        " (listing.py:1 in <module>)"
    )


def test_a_copy_of_the_project_that_shadows_the_revision_is_no_silent_success(
    project: Path, scenarios: str, capfd: pytest.CaptureFixture[str]
) -> None:
    text = Path(scenarios).read_text()
    shadow = f"import sys\nsys.path.insert(0, {str(project)!r})\n{text}"
    Path(scenarios).write_text(shadow)

    status = run(["profile", scenarios, "--against", "v1", "--format", "json"])

    report = json.loads(capfd.readouterr().out)
    assert status == 2
    assert [problem["message"].partition("; ")[0] for problem in report["problems"]] == [
        f"`{project}/shop/__init__.py` was imported, which is not of this revision"
    ]


NO_REPOSITORY = (
    "`..` is not in a git repository: fatal: not a git repository (or any of the parent"
    " directories): .git"
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--against", "v9"], "`v9`: there is no such revision in `{project}`"),
        (["--against", "v1...v2"], "`--against v1...v2`: two revisions are written `v1..v2`"),
        (["--against", "v1", "--project", "gone"], "`gone`: there is no such folder"),
        (["--against", "v1", "--project", ".."], NO_REPOSITORY),
        (
            ["--against", "v1", "--python-at", "v2=python3"],
            "`--python-at v2=python3`: `v2` is no revision that is measured: `v1` are",
        ),
        (
            ["--against", "v1", "--python-at", "./gone"],
            "`{project}/gone` is no program that can be run; give the path of a Python",
        ),
        (["--against="], "`--against ` names nothing: was a variable not set?"),
        (["--history="], "`--history ` names nothing: was a variable not set?"),
        (["--against", "v1", "--setup", "'"], "`--setup '` cannot be read: No closing quotation"),
        (
            ["--against", "v1", "--setup", ""],
            "`--setup` names no command, such as `pip install -e .`",
        ),
    ],
)
def test_what_cannot_be_compared_is_told_with_status_2(
    project: Path,
    arguments: list[str],
    message: str,
    left_over: Callable[[], list[str]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    status = run(["profile", "../scenarios/shop_scenarios.py", *arguments])

    said = message.format(project=project)
    assert (status, capfd.readouterr().err) == (2, f"auditor: {said}\n")
    assert left_over() == []


@pytest.mark.slow  # two virtual environments with pip
def test_each_revision_can_have_an_environment_of_its_own(
    project: Path, scenarios: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place = Path(sqlalchemy.__file__).parents[1]
    linking = tmp_path / "link.py"
    linking.write_text(
        "import os, pathlib, sys\n"
        "assert os.environ['VIRTUAL_ENV'] == sys.prefix\n"
        "(site,) = pathlib.Path(sys.prefix).glob('lib/python*/site-packages')\n"
        f"(site / 'there.pth').write_text({str(place)!r})\n"
    )

    command = ["profile", scenarios, "--against", "v1..v2", "--format", "json"]
    status = run([*command, "--setup", f"python {linking}"])

    assert (status, changes(capfd.readouterr().out)) == (1, [("v1", "1", "1 + shelves", "worse")])
    assert run([*command, "--setup", "gone -e ."]) == 2
    assert capfd.readouterr().err == "auditor: `gone` is no program that can be run\n"


def test_an_ended_comparison_leaves_nothing_behind(
    project: Path, tmp_path: Path, left_over: Callable[[], list[str]]
) -> None:
    (project / "hanging.py").write_text(
        "import time\n"
        "import auditor\n"
        "@auditor.scenario(sizes={'a': (1, 2)})\n"
        "def hang(database, a):\n"
        "    print(database.url, flush=True)\n"
        "    while True:\n"
        "        time.sleep(0.01)\n"
    )
    command = [sys.executable, "-m", "auditor", "profile", "hanging.py", "--against", "v1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = (line for line in process.stderr if line.startswith("sqlite:///"))
        place = Path(next(said).strip().removeprefix("sqlite:///"))
        seen = [place.exists(), len(left_over())]
        process.terminate()
        process.terminate()
        status = process.wait()

    assert (seen, status) == ([True, 3], 130)
    assert (left_over(), place.parent.exists()) == ([], False)


def test_a_revision_that_a_shallow_clone_lacks_is_told_with_the_remedy(
    project: Path, tmp_path: Path, git: Git, capfd: pytest.CaptureFixture[str]
) -> None:
    shallow = tmp_path / "shallow"
    git("clone", "--quiet", "--depth", "1", project.as_uri(), str(shallow))
    status = run(["profile", "no.py", "--project", str(shallow), "--against", "HEAD~1"])
    assert (status, capfd.readouterr().err) == (
        2,
        (
            f"auditor: `HEAD~1`: there is no such revision in `{shallow}`, a shallow clone:"
            " `git fetch --unshallow` brings all of them\n"
        ),
    )


def test_what_a_revision_says_of_its_files_names_no_temporary_folder(
    project: Path, scenarios: str, git: Git, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("own.py").write_text("import nowhere\n")
    git("add", "own.py")
    git("commit", "--quiet", "-m", "a file that does not run")
    Path("own.py").write_text(Path(scenarios).read_text())
    asked = ["--against", "HEAD", "--own-scenarios", "--format", "json"]
    status = run(["profile", "own.py", *asked])
    problems = json.loads(capfd.readouterr().out)["problems"]
    assert (status, problems[0]["message"]) == (
        2,
        (
            "`own.py` does not run: ModuleNotFoundError: No module named 'nowhere'"
            " (own.py:1 in <module>)"
        ),
    )


def test_files_of_a_killed_run_are_named_once_at_the_next(
    project: Path,
    git: Git,
    tmp_path: Path,
    left_over: Callable[[], list[str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    left = tmp_path / "temporary" / f"{PREFIX}{ended.pid}_abc"
    left.mkdir()
    head = git("rev-parse", "HEAD")
    for _ in range(2):
        with worktree(project_at(project), head):
            pass
    assert [message.rpartition(": ")[2] for message in caplog.messages] == [f"rm -r {left}"]
    assert left_over() == [left.name]


def test_without_a_target_the_place_is_where_the_statement_was_executed(
    project: Path, scenarios: str, capfd: pytest.CaptureFixture[str]
) -> None:
    untold = Path(scenarios).read_text().replace(', target="shop.listing:listed"', "")
    Path(scenarios).write_text(untold)
    status = run(["profile", scenarios, "--against", "v1", "--select", "DBA320"])
    first = capfd.readouterr().out.partition("\n")[0]
    assert (status, WHY in first) == (1, True)
