"""The estimated law of a function in a module of a few lines."""

from __future__ import annotations

import textwrap

from auditor.engine.knowing import knowledge_with
from auditor.source.estimate import Estimate, estimate_of
from auditor.source.parse import parse_module
from auditor.source.project import link


def estimated(models: str, source: str, name: str = "f") -> Estimate:
    """The estimate of the function `name` that `source`, which may be indented, has below
    `models`."""
    text = models + textwrap.dedent(source)
    module = parse_module("app.py", "app", text.encode(), is_package=False)
    project = link([module], knowledge_with(())[0])
    return estimate_of(project, project.program.functions[f"app.{name}"].function)
