"""The options of commands that measure revisions of a git project, and what they mean."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from auditor.cli.reach import reach_of
from auditor.model.errors import AuditorError

if TYPE_CHECKING:
    from auditor.growth.checkouts import Asked
    from auditor.growth.revisions import Project

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--project",
        type=click.Path(path_type=Path),
        default=Path(),
        metavar="FOLDER",
        help="The git project whose revisions are measured; that of the working directory if not"
        " given. May be a bare repository.",
    ),
    click.option(
        "--path",
        "paths",
        multiple=True,
        metavar="FOLDER",
        help="The folder of the project that it is imported from; `.` and `src` if not given.",
    ),
    click.option(
        "--python-at",
        "pythons",
        multiple=True,
        metavar="[REV=]PYTHON",
        help="The interpreter for a revision, or for all; auditor need not be installed there.",
    ),
    click.option(
        "--setup",
        multiple=True,
        metavar="COMMAND",
        help="Run this in each revision's files, in a new virtual environment: `pip install -e .`;"
        " may be given several times.",
    ),
    click.option(
        "--own-scenarios",
        is_flag=True,
        help="Each revision runs the scenario file it holds itself; not given, all run that of the"
        " working tree.",
    ),
)


def revision_options(command: Command) -> Command:
    """Give a command the options of revisions."""
    decorated: Any = command
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]  # click's decorators keep the signature


def not_empty(context: click.Context, option: click.Parameter, value: str) -> str:
    """A value that is not empty, if one was given: where a variable is not set, `--against "$REV"`
    must not pass for want of a revision. Raises AuditorError."""
    is_given = context.get_parameter_source(str(option.name)) is not ParameterSource.DEFAULT
    if is_given and not value.strip("."):
        raise AuditorError(f"`{option.opts[0]} {value}` names nothing: was a variable not set?")
    return value


def project_of(asked: dict[str, Any]) -> Project:
    """The git project that is asked for. Raises AuditorError if there is none."""
    from auditor.growth.revisions import project_at  # lazy: only revisions need git

    return project_at(asked["project"])


def asked_of(asked: dict[str, Any], names: Sequence[str]) -> Asked:
    """What to measure at each revision; `names` are those that the user gave.

    Raises AuditorError for an interpreter of a revision that is not among them.
    """
    from auditor.growth.checkouts import Asked  # lazy: imports SQLAlchemy

    default = Asked(asked["scenarios"])
    return Asked(
        targets=tuple(asked["scenarios"]),
        databases=tuple(dict.fromkeys(asked["databases"])),
        allow_existing=asked["allow_existing"],
        pythons=_pythons(asked["pythons"], names),
        setup=tuple(_command(text) for text in asked["setup"]),
        paths=tuple(asked["paths"]) or default.paths,
        own_scenarios=asked["own_scenarios"],
        reach=reach_of(asked.get("reach", ())),
        is_timed=asked.get("is_timed", False),
    )


def revision_now(asked: dict[str, Any]) -> str:
    """The commit that is checked out, empty outside of a project."""
    from auditor.growth.revisions import head_of, project_at  # lazy: only revisions need git

    try:
        return head_of(project_at(asked["project"]))
    except AuditorError:
        return ""


def _command(text: str) -> str:
    """A command whose quotes are closed. Raises AuditorError for any other."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise AuditorError(f"`--setup {text}` cannot be read: {error}") from error
    if not words:
        raise AuditorError("`--setup` names no command, such as `pip install -e .`")
    return text


def _pythons(written: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in written:
        name, equals, python = text.rpartition("=")
        if equals and name not in names:
            known = ", ".join(f"`{one}`" for one in names)
            raise AuditorError(
                f"`--python-at {text}`: `{name}` is no revision that is measured: {known} are"
            )
        found[name] = os.path.abspath(python) if os.sep in python else python
    return found
