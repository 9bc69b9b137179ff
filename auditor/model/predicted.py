"""Whether a measured law grows with what the source says that it grows with.

A scenario names its sizes (`labels`), the source names lengths (`|self.get_labels()|`); they are
matched by their last word. A length that certainly adds statements and a size that is measured to
grow must each have the other; a length that only may add statements need not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from auditor.model.law import Law


class Predicted(NamedTuple):
    """The lengths that add statements for sure, and all that may, by name."""

    sure: tuple[str, ...]
    possible: tuple[str, ...]


def is_target(target: str, module: str, function: str) -> bool:
    """Whether the target of a law, `pkg.module:Class.method`, is this function; of two module names
    one may be the end of the other."""
    measured, _, qualname = target.partition(":")
    same = measured == module or measured.endswith(f".{module}") or module.endswith(f".{measured}")
    return same and qualname == function


def matched(law: Law, predicted: Predicted) -> Mapping[str, str]:
    """By size that the law grows with: the length that it is, empty if there is none."""
    found = {factor.variable for term in law.growing for factor in term.factors}
    return {name: _length_of(name, predicted.possible) for name in sorted(found)}


def verdict(law: Law, predicted: Predicted) -> str:
    """`agrees in what it grows with`, or `DISAGREES` and in what."""
    growing = matched(law, predicted)
    unseen = [name for name, found in growing.items() if not found]
    seen = {found for found in growing.values() if found}
    too_sure = [name for name in predicted.sure if name not in seen]
    flat = [n for n in predicted.possible if n not in seen and n not in too_sure]
    against = []
    if unseen:
        against.append(f"it grows with {_and(unseen)}, and the estimate has no such length")
    if too_sure:
        against.append(f"the estimate grows with {_and([f'|{n}|' for n in too_sure])} for sure")
    told = f"DISAGREES: {'; '.join(against)}" if against else "agrees in what it grows with"
    extra = f"; |{'|, |'.join(flat)}| may add statements and did not here" if flat else ""
    return f"{told}{extra}"


def _length_of(variable: str, lengths: Sequence[str]) -> str:
    """The length that a size of the scenario is, by name: `labels` is |labels|, |get_labels()| and
    |MeteringLabel|; empty if none is."""
    one = variable.lower().removesuffix("s")
    for name in lengths:
        last = name.rpartition(".")[2].removesuffix("()").lower().removesuffix("s")
        if last == one or last.endswith((f"_{one}", one)):
            return name
    return ""


def _and(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
