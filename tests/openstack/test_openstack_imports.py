"""What it costs and takes to have the plug-in."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from auditor.backends.scratch import open_scratch
from auditor.growth.scenario import Scenario
from auditor.model.errors import ScenarioError
from auditor_openstack import local_ips, neutron

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("auditor_openstack.scenarios", ("neutron", "neutron_lib", "oslo_db", "oslo_config")),
        ("auditor_openstack.knowledge", ("neutron", "neutron_lib", "oslo_db", "sqlalchemy")),
    ],
)
def test_importing_it_imports_nothing_of_openstack(module: str, unwanted: tuple[str, ...]) -> None:
    program = (
        f"import sys, {module}\n"
        f"print(sorted({set(unwanted)!r} & {{name.split('.')[0] for name in sys.modules}}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_missing_neutron_is_said_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "neutron", None)
    with open_scratch("sqlite://") as database, pytest.raises(ScenarioError) as caught:
        neutron.prepare(database)
    python = sys.version.split()[0]
    assert str(caught.value) == (
        "the `neutron.*` scenarios run on the Neutron that is installed for Python"
        f" {python}, and there is none: pip install neutron"
    )


def test_every_scenario_is_named_after_the_plug_in_and_says_what_it_does() -> None:
    module = importlib.import_module("auditor_openstack.scenarios")
    scenarios = [getattr(module, name) for name in module.__all__]
    assert all(isinstance(one, Scenario) for one in scenarios)
    assert [one.name for one in scenarios] == [f"neutron.{name}" for name in module.__all__]
    assert [one.name for one in scenarios if not one.doc] == []
    own = (neutron.prepare, local_ips.prepare)
    assert [one.name for one in scenarios if one.prepare not in own] == []


def test_every_size_of_a_scenario_is_said_in_its_text() -> None:
    module = importlib.import_module("auditor_openstack.scenarios")
    unsaid = [
        (name, variable)
        for name in module.__all__
        for variable in getattr(module, name).variables
        if f"`{variable}`" not in getattr(module, name).doc
    ]
    assert unsaid == []
