"""What `--reach` says: `1001` for all sizes, `labels=1001` for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from auditor.model.errors import SettingsError

_LARGEST = 1_000_000


def reach_of(given: Sequence[str]) -> Mapping[str, int]:
    """The size to reach for each variable; that of all under the empty name. Raises
    SettingsError."""
    return dict(_one(text) for text in given)


def _one(text: str) -> tuple[str, int]:
    name, _, size = text.rpartition("=")
    is_number = size.isascii() and size.isdigit() and 0 < int(size[:9]) <= _LARGEST
    if not is_number or ("=" in text and not name.isidentifier()):
        raise SettingsError(
            f"--reach: `{text}` is no size to reach: write a whole number up to {_LARGEST}, such as"
            " `1001`, or `labels=1001` for one size of the scenario"
        )
    return name, int(size)
