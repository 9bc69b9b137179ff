"""A report as text: one module for each format, found by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from auditor import registry
from auditor.model.errors import SettingsError
from auditor.model.report import Report

FORMATS = {
    "text": "auditor.report.text",
    "json": "auditor.report.json",
    "sarif": "auditor.report.sarif",
    "markdown": "auditor.report.markdown",
    "github": "auditor.report.github",
    "gitlab": "auditor.report.gitlab",
    "junit": "auditor.report.junit",
    "html": "auditor.report.html",
}
"""Each module has `render(report) -> str`; one is imported when it is asked for."""


def renderer(format: str) -> Callable[[Report], str]:  # noqa: A002 - the word users write
    """The function that renders a format, built-in or from a plug-in.

    Raises SettingsError for an unknown format, or for one whose library is not installed.
    """
    if format in FORMATS:
        return _built_in(format)
    added, problems = registry.renderers()
    if format in added:
        return added[format]
    known = ", ".join(f"`{name}`" for name in (*FORMATS, *sorted(added)))
    broken = "".join(f"; {problem.subject} {problem.message}" for problem in problems)
    raise SettingsError(f"there is no format `{format}`; there are {known}{broken}")


def _built_in(name: str) -> Callable[[Report], str]:
    try:
        found: Callable[[Report], str] = importlib.import_module(FORMATS[name]).render
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"the format `{name}` needs `{error.name}`, which is not installed:"
            f" `pip install sqlalchemy-auditor[{name}]`"
        ) from error
    return found


def render(report: Report, format: str = "text") -> str:  # noqa: A002 - the word users write
    """The report in a format. Raises SettingsError for an unknown one."""
    return renderer(format)(report)
