"""The table of docs/planted.md: what is planted, and what must be said of it."""

from __future__ import annotations

from collections.abc import Iterator

from planted.pair import Pair
from planted.table import importable, pairs_of

_HEAD = (
    "| planted | fault | verdict on the defect | the twin keeps its word under |",
    "|---|---|---|---|",
)


def lines() -> Iterator[str]:
    """One section for each theme, one line for each pair."""
    for theme in importable():
        yield f"### `{theme}.py`"
        yield ""
        yield from _HEAD
        yield from (_line(pair) for pair in pairs_of(theme))
        yield ""


def _line(pair: Pair) -> str:
    mode = "" if pair.mode == "once" else f" ({pair.mode})"
    elsewhere = "".join(
        f"; on {dialect}: {_in_words(pair.says_on(dialect))}" for dialect in sorted(pair.elsewhere)
    )
    said = f"{_in_words(pair.says_on('sqlite'))}{elsewhere}"
    kept = ", ".join(f"`{fault}`" for fault in pair.kept_by_twin())
    return f"| {pair.defect}<br>`{pair.name}` | `{pair.fault}`{mode} | {said} | {kept} |"


def _in_words(verdicts: tuple[str, ...]) -> str:
    return ", ".join(one.replace("/", " or ") for one in verdicts)
