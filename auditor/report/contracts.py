"""Contracts and changes of laws, as lines of text and as JSON.

contract: constant in routers: kept
contract: at most 20 + labels: BROKEN at labels=2
since laws.txt: 5 + 2*R -> 5 + 2*R + R*P: worse, from R=1, P=1 on, because of l3_db.py:412 ...
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from auditor.model.contract import Breach, Unproven, law_of_measure, standing_of
from auditor.model.law import Change, Contract, LawChange, LawResult, Promise, TermSite
from auditor.model.law_words import change_in_words, sizes_in_words
from auditor.model.span import Frame
from auditor.report.evidence import frame_as_json, frame_from_json, frames_from_json


def lines_of(result: LawResult) -> Iterator[str]:
    """One line for each contract and each change."""
    for contract, standing in standings(result):
        yield f"contract: {contract}: {_standing_in_words(standing)}"
    for change in result.changes:
        yield f"since {change.since}: {change_in_words(change)}"


def standings(
    result: LawResult,
) -> Iterator[tuple[Contract, Breach | Unproven | str | None]]:
    """Each contract and how it stands: None if it is kept, a text if that is not known."""
    for contract in result.contracts:
        standing = standing_of(contract, result)
        if standing is None and law_of_measure(result, contract.measure) is None:
            yield contract, "NOT JUDGED: there is no law"
        else:
            yield contract, standing


def contracts_as_json(result: LawResult) -> dict[str, Any]:
    """`place`, `contracts` and `changes`, those that there are."""
    found: dict[str, Any] = {}
    if result.place is not None:
        found["place"] = frame_as_json(result.place)
    if result.contracts:
        found["contracts"] = [_contract_as_json(*one) for one in standings(result)]
    if result.changes:
        found["changes"] = [change_as_json(change) for change in result.changes]
    return found


def contracts_from_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a LawResult that `contracts_as_json` wrote."""
    place = value.get("place")
    return {
        "place": None if place is None else frame_from_json(place),
        "contracts": tuple(
            Contract(Promise(one["promise"]), one["measure"], one["text"])
            for one in value.get("contracts", ())
        ),
        "changes": tuple(_change(one) for one in value.get("changes", ())),
    }


def _standing_in_words(standing: Breach | Unproven | str | None) -> str:
    if standing is None:
        return "kept"
    if isinstance(standing, str):
        return standing
    if isinstance(standing, Unproven):
        return "kept wherever it was tried; not proven for all sizes"
    if standing.at:
        return f"BROKEN at {sizes_in_words(standing.at)}"
    terms = ", ".join(f"`{term}`" for term in standing.terms)
    return f"BROKEN by {terms}" if terms else "BROKEN"


def _contract_as_json(
    contract: Contract, standing: Breach | Unproven | str | None
) -> dict[str, Any]:
    kept = {type(None): True, Breach: False}.get(type(standing))
    return {
        "promise": contract.promise.value,
        "measure": contract.measure,
        "text": contract.text,
        "kept": kept,
    }


def change_as_json(change: LawChange) -> dict[str, Any]:
    """A change as plain values; laws are texts, empty where there was none."""
    return {
        "measure": change.measure,
        "since": change.since,
        "before": change.before,
        "after": change.after,
        "change": change.change.value,
        "worse_at": dict(change.worse_at),
        "better_at": dict(change.better_at),
        "sites": [
            {
                **frame_as_json(site.frame),
                "shape": site.shape,
                "cause": site.cause,
                "share": site.share,
                "stack": [frame_as_json(frame) for frame in site.stack],
            }
            for site in change.sites
        ],
    }


def _change(value: Mapping[str, Any]) -> LawChange:
    return LawChange(
        measure=value["measure"],
        since=value["since"],
        before=value["before"],
        after=value["after"],
        change=Change(value["change"]),
        worse_at=tuple(value["worse_at"].items()),
        better_at=tuple(value["better_at"].items()),
        sites=tuple(_site(one) for one in value["sites"]),
    )


def _site(value: Mapping[str, Any]) -> TermSite:
    frame: Frame = frame_from_json(value)
    return TermSite(
        frame, value["cause"], value["shape"], value["share"], frames_from_json(value["stack"])
    )
