"""`auditor demo`: the four witnesses on the metering sample, on an embedded SQLite.

The sample lies beside the packages: `sample_schemas/` in a checkout, `auditor_samples/` where the
wheel is installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path

import click

import auditor
from auditor.cli.streams import is_terminal
from auditor.model.errors import AuditorError
from auditor.report.text import ANSI, PLAIN

SAMPLE = "metering"
FOLDERS = ("sample_schemas", "auditor_samples")
LIBRARIES = (("sqlalchemy", "SQLAlchemy"), ("oslo_db", "oslo.db"))


@click.command("demo")
@click.option("--verbose", "-v", is_flag=True, expose_value=False, help="Tracebacks of the tool.")
def demo_command() -> None:
    """Tell the whole story on a small sample: source, live session, growth, faults.

    Needs no server and changes nothing: all databases are scratch files of SQLite.
    """
    refuse_without_libraries()
    sample = sample_folder()
    import_sample(sample)
    from auditor.cli.story import told  # lazy: these two need the libraries
    from auditor.cli.witnesses import seen

    if is_terminal(sys.stderr):
        click.echo("auditor: scanning, recording, measuring and breaking the sample ...", err=True)
    colours = ANSI if is_terminal(sys.stdout) and not os.environ.get("NO_COLOR") else PLAIN
    click.echo(told(seen(sample), colours), nl=False)


def refuse_without_libraries() -> None:
    """Raises AuditorError that says how to install what the sample runs on."""
    missing = [name for module, name in LIBRARIES if importlib.util.find_spec(module) is None]
    if missing:
        raise AuditorError(
            f"the demo runs a sample that needs {' and '.join(missing)}, not installed here;"
            " `pip install 'sqlalchemy-auditor[openstack]'` installs what it needs"
        )


def sample_folder() -> Path:
    """The folder of the sample. Raises AuditorError if it was not shipped."""
    beside = Path(auditor.__file__).resolve().parent.parent
    for name in FOLDERS:
        if (beside / name / SAMPLE / "scenarios.py").is_file():
            return beside / name / SAMPLE
    raise AuditorError(
        f"the demo's sample is not installed: there is no folder `{FOLDERS[1]}/{SAMPLE}` beside the"
        " package; install sqlalchemy-auditor from its wheel, or run from a checkout"
    )


def import_sample(sample: Path) -> None:
    """Import the sample's package now, so that none of the same name in the working directory is
    taken for it."""
    sys.path.insert(0, str(sample.parent))
    importlib.import_module(SAMPLE)
