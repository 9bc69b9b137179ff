"""What is in the wheel, what it asks for, and what a start costs."""

from __future__ import annotations

import email
import importlib.metadata
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STATIC = (
    "auditor.rule",
    "auditor.rules",
    "auditor.knowledge",
    "auditor.report",
    "auditor.cli.main",
)
LIVE_LIBRARIES = ("MySQLdb", "oslo_db", "psycopg", "psycopg2", "pymysql", "sqlalchemy")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built without network, by the hatchling that is installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_five_packages_and_the_samples(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    packages = {
        "auditor",
        "auditor_openstack",
        "flake8_auditor",
        "pytest_auditor",
        "unittest_auditor",
    }
    assert tops == {*packages, "auditor_samples"}
    assert "auditor_samples/metering/sync.py" in names
    assert [name for name in names if "__pycache__" in name or "/tests/" in name] == []


def test_without_extras_no_database_library_is_asked_for(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    asked = email.message_from_bytes(wheel.read(metadata)).get_all("Requires-Dist", [])
    always = {re.split(r"[^\w.-]", line)[0] for line in asked if "extra ==" not in line}
    assert always == {"click", "sqlparse", "tomli"}


def test_each_entry_point_loads() -> None:
    broken = []
    for point in importlib.metadata.distribution("sqlalchemy-auditor").entry_points:
        try:
            point.load()
        except (AttributeError, ImportError) as error:
            broken.append(f"{point.group}: {point.value}: {error}")
    assert broken == []


@pytest.mark.parametrize("module", ["auditor", *STATIC])
def test_the_static_side_starts_without_a_database_library(module: str) -> None:
    code = f"import {module}, sys; print(sorted(set({LIVE_LIBRARIES!r}) & set(sys.modules)))"
    assert printed(code) == "[]\n"


def test_importing_auditor_costs_under_20_ms() -> None:
    code = """
from time import process_time  # the machine may be busy with other work
start = process_time()
import auditor
print(process_time() - start)
"""
    seconds = min(float(printed(code)) for _ in range(5))
    assert seconds < 0.020, f"`import auditor` took {seconds * 1000:.1f} ms"


def test_an_unknown_public_name_is_refused_by_name() -> None:
    code = "import auditor\ntry: auditor.scna\nexcept AttributeError as error: print(error)"
    assert printed(code) == "module `auditor` has no attribute `scna`\n"


def printed(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
