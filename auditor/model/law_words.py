"""Changes of laws in words, the same in findings, reports and progress."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.model.law import Change, LawChange, TermSite

_MOST_SITES = 3
_STATEMENTS = "statements"


def change_in_words(change: LawChange) -> str:
    """`5 + 2*R -> 5 + 2*R + R*P: worse (at P=1, R=1), because of l3_db.py:412 in sync (...)`."""
    of = "" if change.measure == _STATEMENTS else f"{change.measure} "
    if change.change is Change.NEW:
        return f"{of}{change.after}: new, there was no law before"
    if change.change is Change.SAME:
        return f"{of}{change.after}: as before"
    because = sites_in_words(change.sites)
    gone = change.change is Change.BETTER
    why = f", {'without' if gone else 'because of'} {because}" if because else ""
    return f"{of}{change.before} -> {change.after}: {_comparison_in_words(change)}{why}"


def sites_in_words(sites: Sequence[TermSite]) -> str:
    """The first places, each `path:line in function (cause)`, and how many more there are."""
    places = list(dict.fromkeys(f"{site.frame} ({site.cause})" for site in sites))
    more = len(places) - _MOST_SITES
    shown = "; ".join(places[:_MOST_SITES])
    return f"{shown}; and {more} more" if more > 0 else shown


def sizes_in_words(sizes: Sequence[tuple[str, int]]) -> str:
    """`labels=2, routers=1`."""
    return ", ".join(f"{name}={size}" for name, size in sizes)


def _comparison_in_words(change: LawChange) -> str:
    worse, better = sizes_in_words(change.worse_at), sizes_in_words(change.better_at)
    if change.change is Change.BETTER:
        return "better"
    if change.change is Change.WORSE:
        return f"worse (at {worse})" if worse else "worse"
    if worse and better:
        return f"changed: worse at {worse}, better at {better}"
    if worse:
        return f"changed: worse at {worse}, and never seen better"
    return f"changed: better at {better}, and not proven never worse" if better else "changed"
