"""What a test expects of the statements of a block, and what it is told when they are others.

    with counting(exactly(3), Missed):          # or `async with`
        client.get("/labels")

    complaint(at_most(select=3, insert=1), tape)     # "" if the tape keeps to it

Test runners' adapters stand on this: they say which exception fails a test, and where the text
goes. All statements of the process (or of `engine`) count while the block runs, those of its
threads and tasks too; DDL and connection control never do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from auditor.model.errors import AuditorError
from auditor.model.tape import CauseKind, Entry, Tape
from auditor.runtime.recorder import Recording, record
from auditor.runtime.tape_text import counted, heaviest
from auditor.sql.verbs import READS, SAVEPOINTS

__unittest = True  # unittest leaves frames of this module out of tracebacks

SHOWN = 10
KINDS = ("select", "insert", "update", "delete", "savepoint", "other")
"""Kinds of statements that can be limited. `savepoint` is also its release and its rollback."""

_OWN_KIND = {kind.upper(): kind for kind in KINDS[:4]}


class ExpectationError(AuditorError):
    """An expectation is written with arguments that mean nothing."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """How many statements there should be. `limits` pairs a kind, or "" for all statements, with a
    number; a kind that is not named is not limited."""

    limits: tuple[tuple[str, int], ...]
    is_exact: bool = False

    def is_met_by(self, counts: Counter[str]) -> bool:
        """Whether counts by kind (`counts_of`) keep to all limits."""
        pairs = ((counts[kind] if kind else counts.total(), limit) for kind, limit in self.limits)
        return all(seen == limit if self.is_exact else seen <= limit for seen, limit in pairs)

    def __str__(self) -> str:
        how = "exactly" if self.is_exact else "at most"
        if self.limits == (("", 0),):
            return "none"
        return f"{how} {', '.join(f'{kind} {limit}'.lstrip() for kind, limit in self.limits)}"


def exactly(*total: int, **by_kind: int) -> Expectation:
    """`exactly(3)`, `exactly(select=2, insert=1)`. Raises ExpectationError."""
    return Expectation(_limits(total, by_kind), is_exact=True)


def at_most(*total: int, **by_kind: int) -> Expectation:
    """`at_most(3)`, `at_most(select=2)`, `at_most(5, insert=1)`. Raises ExpectationError."""
    return Expectation(_limits(total, by_kind))


def none() -> Expectation:
    """No statement at all."""
    return Expectation((("", 0),), is_exact=True)


def _limits(total: tuple[Any, ...], by_kind: dict[str, Any]) -> tuple[tuple[str, int], ...]:
    if len(total) > 1 or not (total or by_kind):
        raise ExpectationError(
            f"{len(total)} numbers are given: give one, such as `3`, or one for each kind, such as"
            " `select=3, insert=1`"
        )
    for kind in by_kind:
        if kind not in KINDS:
            known = ", ".join(f"`{one}`" for one in KINDS)
            raise ExpectationError(f"there is no kind of statement `{kind}`; there are {known}")
    limits = (*(("", number) for number in total), *by_kind.items())
    for kind, number in limits:
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            named = f"`{kind}` is " if kind else ""
            raise ExpectationError(
                f"{named}`{number!r}`: a number of statements is a whole number, 0 or more"
            )
    return limits


def kind_of(verb: str) -> str:
    """The kind of a statement by its verb: `SELECT` is `select`, `RELEASE` is `savepoint`."""
    if verb in SAVEPOINTS:
        return "savepoint"
    return _OWN_KIND.get(verb, "select" if verb in READS else "other")


def counted_entries(tape: Tape) -> tuple[Entry, ...]:
    """The entries that count as statements: all but DDL."""
    return tuple(entry for entry in tape.entries if entry.cause.kind is not CauseKind.DDL)


def counts_of(tape: Tape) -> Counter[str]:
    """How many statements of each kind were executed."""
    counts: Counter[str] = Counter()
    for entry in counted_entries(tape):
        counts[kind_of(entry.verb)] += entry.executions
    return counts


def kinds_in_words(counts: Counter[str]) -> str:
    """`select 3, insert 1`; `none` without statements."""
    return ", ".join(f"{kind} {counts[kind]}" for kind in KINDS if counts[kind]) or "none"


def complaint(expectation: Expectation, tape: Tape) -> str:
    """What to tell a test whose statements are not as expected: counts first, then the statements
    by site, most executions first. Empty if they are."""
    counts = counts_of(tape)
    if expectation.is_met_by(counts):
        return ""
    were = "was" if counts.total() == 1 else "were"
    by_kind = f" ({kinds_in_words(counts)})" if any(kind for kind, _ in expectation.limits) else ""
    head = f"{counted(counts.total(), 'statement')} {were} executed{by_kind}, wanted {expectation}"
    return "\n".join((head, *heaviest(Tape(counted_entries(tape)), SHOWN)))


class Block:
    """A block under observation, for `with` and `async with`; it may be entered again and nested.

    `check` is called with the tape of the block at its end, unless the block itself raised. It
    fails the test by raising.
    """

    def __init__(
        self, check: Callable[[Tape], None], *, engine: Any = None, root: str | None = None
    ) -> None:
        self._check = check
        self._engine = engine
        self._root = root
        self._open: list[tuple[AbstractContextManager[Recording], Recording]] = []

    def __enter__(self) -> Recording:
        block = record(self._engine, root=self._root)
        recording = block.__enter__()
        self._open.append((block, recording))
        return recording

    def __exit__(self, *raised: object) -> None:
        block, recording = self._open.pop()
        block.__exit__(None, None, None)
        if raised[0] is None:
            self._check(recording.tape)

    async def __aenter__(self) -> Recording:
        return self.__enter__()

    async def __aexit__(self, *raised: object) -> None:
        self.__exit__(*raised)


def counting(
    expectation: Expectation,
    failure: Callable[[str], BaseException],
    *,
    engine: Any = None,
    root: str | None = None,
    unsure: Callable[[str], None] = lambda _: None,
) -> Block:
    """A block that raises `failure(text)` if its statements are not as expected. Where the recorder
    lost statements, a count that is too low proves nothing: then `unsure` is told instead."""
    return Block(held_to(expectation, failure, unsure), engine=engine, root=root)


def held_to(
    expectation: Expectation,
    failure: Callable[[str], BaseException],
    unsure: Callable[[str], None] = lambda _: None,
) -> Callable[[Tape], None]:
    """What `counting` does with the tape of its block."""

    def check(tape: Tape) -> None:
        text = complaint(expectation, tape)
        if not text:
            return
        if tape.losses and not _is_exceeded(expectation, counts_of(tape)):
            unsure(f"not checked: {tape.losses[0].subject}: {tape.losses[0].message}")
            return
        raise failure(text)

    return check


def _is_exceeded(expectation: Expectation, counts: Counter[str]) -> bool:
    return not Expectation(expectation.limits).is_met_by(counts)
