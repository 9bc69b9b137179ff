"""Which mocks of a test stand for what reaches outside of the process.

started with `.start()`     what was replaced is known, and the package it is of
any other                   its name tells: `notifier.info`, `SMTP().sendmail`
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from auditor.runtime import effects as table

MOCK_CALL = "_mock_call"
"""The method of `unittest.mock.CallableMixin` that every call of a mock comes to."""

_OF_PACKAGES: Mapping[str, str] = {
    "requests": table.HTTP,
    "httpx": table.HTTP,
    "aiohttp": table.HTTP,
    "subprocess": table.SUBPROCESS,
    "smtplib": table.MAIL,
    "oslo_messaging": table.MESSAGE,
    "celery": table.MESSAGE,
    "kombu": table.MESSAGE,
}
_OF_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("post", "put"), table.HTTP),
    **dict.fromkeys(("Popen", "check_call", "check_output"), table.SUBPROCESS),
    **dict.fromkeys(("sendmail", "send_mail", "send_message"), table.MAIL),
    **dict.fromkeys(("cast", "fanout"), table.RPC),
    **dict.fromkeys(("notify", "publish", "send_task", "apply_async"), table.MESSAGE),
}
"""What a mock of this name, or this attribute of a mock, can only be."""
_LEVELS = frozenset({"audit", "debug", "info", "sample", "warn", "warning", "error", "critical"})
_READ_ONLY = frozenset({"get", "head", "options"})


def effect_of_mock(mock: Any) -> tuple[str, str]:
    """What a mock stands for, and its name; two empty texts if that is no effect, or not known."""
    name = str(mock._extract_mock_name()).removesuffix("()").removeprefix("mock.")  # noqa: SLF001 - its only name
    first, last = name.partition(".")[0], name.rpartition(".")[2]
    what = _OF_NAMES.get(last, "")
    if not what and last not in _READ_ONLY:
        what = _of_what_was_replaced(first)
    if not what and last in _LEVELS and "notif" in name.removesuffix(last).lower():
        what = table.MESSAGE
    return (what, name) if what else ("", "")


def _of_what_was_replaced(attribute: str) -> str:
    patches: Any = sys.modules["unittest.mock"]._patch._active_patches  # noqa: SLF001 - no other list
    for one in patches:
        if getattr(one, "attribute", None) == attribute:
            original = getattr(one, "temp_original", None)
            package = str(getattr(original, "__module__", "")).partition(".")[0]
            return _OF_PACKAGES.get(package, "")
    return ""
