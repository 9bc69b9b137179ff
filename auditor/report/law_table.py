"""The laws of a report as a table for a comment on a change: what it was, what it is.

| scenario | on | measure | before | now | |
|---|---|---|---|---|---|
| sync | sqlite | statements | `5 + 2*R` | `5 + 2*R + R*P` | **worse**, because of ... |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from auditor.model.contract import Breach, Unproven
from auditor.model.law import Change, LawChange, LawResult
from auditor.model.law_words import sites_in_words, sizes_in_words
from auditor.report.contracts import standings

_LOUD = (Change.WORSE, Change.MIXED)


def law_table(laws: Iterable[LawResult], prose: Callable[[str], str]) -> Iterator[str]:
    """The lines of the table; `prose` makes text safe for Markdown."""
    results = tuple(laws)
    compared = any(result.changes for result in results)
    heads = ("scenario", "on", "measure", *(("before",) if compared else ()), "now", "")
    yield f"| {' | '.join(heads)} |".replace("|  |", "| |")
    yield "|---" * len(heads) + "|"
    for result in results:
        for row in _rows(result, compared=compared):
            yield f"| {' | '.join(prose(cell) for cell in row)} |"
    yield ""


def _rows(result: LawResult, *, compared: bool) -> Iterator[tuple[str, ...]]:
    contracts = "; ".join(_contracts(result))
    head = (result.scenario, result.database)
    if result.law is None:
        blank = ("",) if compared else ()
        yield (*head, "statements", *blank, "no law", f"{result.refusal}; {contracts}".strip("; "))
        return
    if not result.changes:
        blank = ("",) if compared else ()
        yield (*head, "statements", *blank, f"`{result.law}`", contracts)
    for number, change in enumerate(result.changes):
        said = _said(change)
        more = f"; {contracts}" if contracts and not number else ""
        before = f"`{change.before}`" if change.before else ""
        yield (*head, change.measure, before, f"`{change.after}`", f"{said}{more}")


def _said(change: LawChange) -> str:
    if change.change not in _LOUD:
        return change.change.value
    because = sites_in_words(change.sites)
    at = f" at {sizes_in_words(change.worse_at)}" if change.worse_at else ""
    return f"{change.change.value.upper()}{at}{f', because of {because}' if because else ''}"


def _contracts(result: LawResult) -> Iterator[str]:
    for contract, standing in standings(result):
        if isinstance(standing, Breach):
            yield f"BROKEN: {contract}"
        elif isinstance(standing, Unproven):
            yield f"not proven: {contract}"
        else:
            yield f"kept: {contract}" if standing is None else f"not judged: {contract}"
