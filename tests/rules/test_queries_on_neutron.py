"""What the query rules say of the installed Neutron: places are found by their text."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from auditor import scan
from auditor.model.settings import Settings

pytestmark = pytest.mark.neutron
METERING = "db/metering/metering_db.py"


def _folder() -> Path:
    found = importlib.util.find_spec("neutron")
    if found is None or not found.submodule_search_locations:
        pytest.skip("Neutron is not installed")
    return Path(next(iter(found.submodule_search_locations)))


def _said_of_metering(*scanned: Path) -> list[tuple[str, str, str]]:
    report = scan(scanned, settings=Settings(select=("DBA3",), cache_dir="-"))
    lines = (_folder() / METERING).read_text().split("\n")
    return [
        (f.code, f.function, lines[f.span.line - 1].strip())
        for f in report.findings
        if f.span.path.endswith(METERING)
    ]


EXPECTED = [
    (
        "DBA301",
        "MeteringDbMixin._process_sync_metering_data",
        "routers = l3_obj.Router.get_objects(context, **filters)",
    ),
    (
        "DBA305",
        "MeteringDbMixin._process_sync_metering_data",
        "if not router['admin_state_up']:",
    ),
]


def test_the_metering_sync_is_reported_when_all_of_neutron_is_scanned() -> None:
    assert _said_of_metering(_folder() / "db", _folder() / "objects") == EXPECTED


def test_the_metering_sync_is_reported_when_only_its_file_is_scanned() -> None:
    assert _said_of_metering(_folder() / METERING) == EXPECTED
