"""Warnings of our own: shown in pytest's summary, and never an error for the test.

They take the way that pytest's own take after `warnings` has filtered them, so `-W error` does not
make a failure of ours one of the test.
"""

from __future__ import annotations

import warnings

import pytest


class AuditorWarning(pytest.PytestWarning):
    """Something the plug-in could not do."""


def warn(item: pytest.Item, text: str) -> None:
    """Warns of something in one test."""
    path, line, _ = item.location
    item.ihook.pytest_warning_recorded.call_historic(
        kwargs={
            "warning_message": warnings.WarningMessage(
                AuditorWarning(f"auditor: {text}"), AuditorWarning, path, (line or 0) + 1
            ),
            "when": "runtest",
            "nodeid": item.nodeid,
            "location": None,
        }
    )
