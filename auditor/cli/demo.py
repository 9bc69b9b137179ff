"""`auditor demo`: the four witnesses on the metering sample, on an embedded SQLite.

The sample lies beside the packages: `sample_schemas/` in a checkout, `auditor_samples/` where the
wheel is installed.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import click

import auditor
from auditor.backends.scratch import open_scratch
from auditor.cli.story import Session, Story, told
from auditor.growth.load import load_scenarios
from auditor.growth.scenario import Scenario
from auditor.growth.workload import prepared
from auditor.model.errors import AuditorError
from auditor.model.report import Report
from auditor.model.settings import Settings
from auditor.model.tape import Tape
from auditor.report.text import ANSI, PLAIN

SAMPLE = "metering"
FOLDERS = ("sample_schemas", "auditor_samples")
LIBRARIES = (("sqlalchemy", "SQLAlchemy"), ("oslo_db", "oslo.db"))
SCENARIOS = ("metering_sync", "metering_sync_repaired", "create_label", "create_label_repaired")
RECORDED_SIZES = (("labels", 8), ("routers", 3), ("rules", 2))
LARGER_SIZES = (("labels", 400), ("routers", 10), ("rules", 2))
FAULTS = ("all",)


@click.command("demo")
@click.option("--verbose", "-v", is_flag=True, expose_value=False, help="Tracebacks of the tool.")
def demo_command() -> None:
    """Tell the whole story on a small sample: source, live session, growth, faults.

    Needs no server and changes nothing: all databases are scratch files of SQLite.
    """
    refuse_without_libraries()
    sample = sample_folder()
    if str(sample.parent) not in sys.path:
        sys.path.insert(0, str(sample.parent))
    story = seen(sample)
    colours = ANSI if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else PLAIN
    click.echo(told(story, colours), nl=False)


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
    folders = [beside / name / SAMPLE for name in FOLDERS]
    for folder in folders:
        if (folder / "scenarios.py").is_file():
            return folder
    raise AuditorError(
        f"the demo's sample is not installed: there is no folder `{FOLDERS[1]}/{SAMPLE}` beside the"
        " package; install sqlalchemy-auditor from its wheel, or run from a checkout"
    )


def seen(sample: Path) -> Story:
    """What each witness says of the sample."""
    targets = [f"{sample}/scenarios.py::{name}" for name in SCENARIOS]
    sync, sync_repaired, write, write_repaired = load_scenarios(targets).scenarios
    scanned = auditor.scan([sample], Settings(cache_dir="-", jobs=1))
    session = _recorded(sync)
    laws = auditor.profile(sync, sync_repaired)
    before, after = (auditor.sweep(one, faults=FAULTS) for one in (write, write_repaired))
    return Story(
        sample=_as_typed(sample),
        scanned=scanned,
        session=session,
        law_before=laws[0],
        law_after=laws[1],
        faults_before=before,
        faults_after=after,
        joined=auditor.join(scanned, session.tape, laws, before, after),
        code=_code(scanned, session.tape, sample),
        larger=LARGER_SIZES,
    )


def _code(scanned: Report, tape: Tape, sample: Path) -> dict[str, tuple[str, ...]]:
    """The lines of the sample's files by the path that reports show."""
    shown = {finding.span.path for finding in scanned.findings}
    shown |= {entry.site.frame.path for entry in tape.entries}
    return {
        path: tuple((sample / Path(path).name).read_text(encoding="utf-8").splitlines())
        for path in sorted(shown)
    }


def _recorded(scenario: Scenario) -> Session:
    with open_scratch() as scratch, prepared(scratch, scenario) as (workload,):
        call = workload.populated(dict(RECORDED_SIZES))
        with auditor.record() as recording:
            workload.called(call, dict(RECORDED_SIZES))
    return Session(scenario.target, RECORDED_SIZES, recording.tape)


def _as_typed(folder: Path) -> str:
    here = Path.cwd()
    return (folder.relative_to(here) if folder.is_relative_to(here) else folder).as_posix()
