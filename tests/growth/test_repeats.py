"""The same profile gives the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from auditor.cli.main import run


def profiled(program: Path, seed: str) -> bytes:
    """The JSON that a process of its own prints, with a hash seed of its own."""
    command = [sys.executable, "-m", "auditor", "profile", f"{program}::library"]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [*command, "--format", "json"], env=environment, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def test_processes_with_other_hash_seeds_print_the_same_bytes(program: Path) -> None:
    assert profiled(program, "1") == profiled(program, "2")


@pytest.mark.slow
def test_100_repeats_of_one_profile_print_the_same_bytes(
    program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = set()
    for _ in range(100):
        assert run(["profile", f"{program}::library", "--format", "json"]) == 0
        printed.add(capsys.readouterr().out)

    assert len(printed) == 1
