"""Runs scenarios in the files of a revision, by the interpreter that has been made for it."""

from __future__ import annotations

import json
import os
import pickle
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import sqlparse

from auditor.backends.masking import masked
from auditor.growth.revisions import Project, outside_of_hooks
from auditor.growth.side import JOB, Side, SideJob
from auditor.model.errors import AuditorError

_STDERR = 2
_TOOL = "AUDITOR_SIDE_TOOL"
_AUDITOR = Path(__file__).parents[1] / "__init__.py"
_BOOTSTRAP = f"""
import importlib.util, json, os, sys
if sys.version_info < (3, 10):
    sys.exit(f"auditor: `{{sys.executable}}` is Python {{sys.version.split()[0]}}; 3.10 is needed")
for name, file in json.loads(os.environ.pop({_TOOL!r})):
    if name != "auditor" and importlib.util.find_spec(name):
        continue
    places = [os.path.dirname(file)]
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=places)
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
try:
    from auditor.growth.side import main
except ModuleNotFoundError as error:
    sys.exit(f"auditor: `{{sys.executable}}` has no module `{{error.name}}`: install it there")
main()
"""
"""Loads this package alone from where it is: what is installed beside it stays out of the way of
what the interpreter has itself."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What to measure at each revision.

    `pythons` are interpreters by the name of a revision (`""` for all others), `setup` commands
    that are run in each checkout with a virtual environment of its own, `paths` folders of the
    checkout that are imported from. `own_scenarios` takes the scenario files of each revision
    instead of those of the working tree. `reach` and `is_timed` are those of `profile_on`.
    """

    targets: tuple[str, ...]
    databases: tuple[str, ...] = ("sqlite://",)
    allow_existing: bool = False
    pythons: Mapping[str, str] | None = None
    setup: tuple[str, ...] = ()
    paths: tuple[str, ...] = (".", "src")
    own_scenarios: bool = False
    reach: Mapping[str, int] | None = None
    is_timed: bool = False


@dataclass(frozen=True, slots=True)
class Checkout:
    """The files of a revision: `folder` is their top, `name` how the user called it; `is_ours` is
    a worktree that may be written to."""

    name: str
    folder: Path
    is_ours: bool


@contextmanager
def ready(
    asked: Asked, project: Project, checkout: Checkout, progress: Progress
) -> Iterator[Callable[[], list[Side]]]:
    """A function that measures the scenarios in a checkout, and gives what came of them on each
    database. Raises AuditorError when they cannot even be started."""
    targets = tuple(_placed(target, asked, project, checkout) for target in asked.targets)
    with _interpreter(asked, checkout, progress) as python:

        def measured() -> list[Side]:
            each = (replace(asked, targets=targets, databases=(url,)) for url in asked.databases)
            return [_run(one, project, checkout, python, progress=progress) for one in each]

        yield measured


def measured(asked: Asked, project: Project, checkout: Checkout, progress: Progress) -> list[Side]:
    """What came of the scenarios in a checkout, measured once. Raises AuditorError as `ready`."""
    with ready(asked, project, checkout, progress) as run:
        return run()


def _placed(target: str, asked: Asked, project: Project, checkout: Checkout) -> str:
    """The target as it is named in the checkout. A scenario file of the working tree is copied over
    the revision's, so that both sides run the same scenario."""
    file, separator, name = target.partition("::")
    if not separator and not file.endswith(".py"):
        return target
    here = Path.cwd() if project.bare else project.folder / project.inside
    source = Path(os.path.realpath(Path(here, file) if not Path(file).exists() else file))
    top = Path(os.path.realpath(project.folder))
    if project.bare or not source.is_relative_to(top):
        return f"{source}{separator}{name}" if source.exists() else target
    place = checkout.folder / source.relative_to(top)
    if checkout.is_ours and source.exists() and not asked.own_scenarios:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)
    return f"{place}{separator}{name}"


@contextmanager
def _interpreter(asked: Asked, checkout: Checkout, progress: Progress) -> Iterator[str]:
    """The Python that runs a checkout; with `setup`, that of a new virtual environment."""
    pythons = asked.pythons or {}
    python = pythons.get(checkout.name) or pythons.get("") or sys.executable
    if shutil.which(python) is None:
        raise AuditorError(f"`{python}` is no program that can be run; give the path of a Python")
    if not asked.setup:
        yield python
        return
    with tempfile.TemporaryDirectory(prefix="auditor-environment-") as folder:
        progress(f"{checkout.name}: making a virtual environment")
        _checked([python, "-m", "venv", folder], checkout, {})
        own = {"VIRTUAL_ENV": folder, "PATH": f"{folder}/bin{os.pathsep}{os.environ['PATH']}"}
        for command in asked.setup:
            progress(f"{checkout.name}: {command}")
            _checked(shlex.split(command), checkout, own)
        yield f"{folder}/bin/python"


def _checked(command: Sequence[str], checkout: Checkout, more: Mapping[str, str]) -> None:
    """Run a command in the checkout. Raises AuditorError, with the end of what it said."""
    environment = {**outside_of_hooks(), **more}
    program = shutil.which(command[0], path=environment.get("PATH"))
    if program is None:
        raise AuditorError(f"`{command[0]}` is no program that can be run")
    done = subprocess.run(
        [program, *command[1:]],
        cwd=checkout.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        lines = done.stdout.decode(errors="replace").splitlines()
        said = " / ".join(line.strip() for line in lines[-3:] if line.strip())
        raise AuditorError(
            f"at {checkout.name}: `{shlex.join(command)}` ended with {done.returncode}: {said}"
        )


def _run(
    asked: Asked, project: Project, checkout: Checkout, python: str, *, progress: Progress
) -> Side:
    inside = checkout.folder / project.inside
    folder = inside if inside.is_dir() else checkout.folder
    with tempfile.TemporaryDirectory(prefix="auditor-side-") as made:
        answer = Path(made, "answer")
        reading, writing = os.pipe()
        job = SideJob(
            targets=asked.targets,
            databases=asked.databases,
            allow_existing=asked.allow_existing,
            checkout=str(checkout.folder),
            others=(str(project.folder),) if checkout.is_ours and not project.bare else (),
            counts_scenarios=asked.own_scenarios or not checkout.is_ours,
            reach=dict(asked.reach or {}),
            is_timed=asked.is_timed,
            answer=str(answer),
            pipe=writing,
        )
        with open(reading, "rb") as pipe:
            child = subprocess.Popen(
                [python, "-c", _BOOTSTRAP],
                cwd=folder,
                env=_environment(asked, checkout, job),
                stdin=subprocess.DEVNULL,
                stdout=_STDERR,  # what the program prints is no part of the report
                pass_fds=(writing,),
            )
            os.close(writing)
            _followed(child, pipe, lambda text: progress(f"{checkout.name}: {text}"))
        if not answer.exists():
            return Side(failure=_ended(child.returncode, masked(asked.databases[0])))
        side: Side = pickle.loads(answer.read_bytes())  # noqa: S301  our own child wrote it
        return _as_in_the_project(side, checkout) if checkout.is_ours else side


def _as_in_the_project(side: Side, checkout: Checkout) -> Side:
    """With the paths that messages name below the project, not in the worktree: it is gone by then,
    and its name is another one each time."""
    tops = dict.fromkeys((str(checkout.folder), os.path.realpath(checkout.folder)))

    def shown(text: str) -> str:
        for top in tops:
            text = text.replace(f"{top}{os.sep}", "")
        return text

    problems = tuple(
        replace(one, subject=shown(one.subject), message=shown(one.message))
        for one in side.problems
    )
    results = tuple(replace(one, refusal=shown(one.refusal)) for one in side.results)
    return replace(side, failure=shown(side.failure), problems=problems, results=results)


def _followed(child: subprocess.Popen[bytes], pipe: Iterator[bytes], progress: Progress) -> None:
    """Show what the child says until it has ended; it is ended with us, in order."""
    try:
        for line in pipe:
            progress(json.loads(line)["progress"])
        child.wait()
    except BaseException:
        child.terminate()  # it drops its scratch database and ends
        child.wait()
        raise


def _environment(asked: Asked, checkout: Checkout, job: SideJob) -> dict[str, str]:
    own = [str(checkout.folder / path) for path in asked.paths]
    known = os.environ.get("PYTHONPATH")
    return {
        **outside_of_hooks(),
        "PYTHONPATH": os.pathsep.join(
            [os.path.normpath(path) for path in own] + ([known] if known else [])
        ),
        "PYTHONDONTWRITEBYTECODE": "1",
        JOB: json.dumps(asdict(job)),
        _TOOL: json.dumps([("auditor", str(_AUDITOR)), ("sqlparse", sqlparse.__file__)]),
    }


def _ended(status: int, database: str) -> str:
    how = f"by signal {-status}" if status < 0 else f"with status {status}"
    return (
        f"the process that measured on `{database}` ended {how} and without a result; what it"
        " said, if anything, stands above"
    )
