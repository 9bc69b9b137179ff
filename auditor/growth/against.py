"""The laws of two revisions of a project, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from auditor.growth.agree import with_agreement
from auditor.growth.checkouts import Asked, Checkout, ready
from auditor.growth.compare import STATEMENTS, change_since
from auditor.growth.revisions import Project, Revision, revision, worktree
from auditor.growth.side import Side
from auditor.growth.timing import paired_ratio
from auditor.model.contract import law_of_measure
from auditor.model.errors import AuditorError
from auditor.model.finding import Problem
from auditor.model.law import LawChange, LawResult
from auditor.model.law_words import sizes_in_words

WORKING_TREE = "the working tree"
Progress = Callable[[str], None]
Key = tuple[str, str]
Round = tuple[Sequence[Side], Sequence[Side]]
Medians = dict[tuple[str, str, tuple[tuple[str, int], ...]], float]
_ROUNDS_TIMED = 3


@dataclass(frozen=True, slots=True)
class Compared:
    """The results of the later revision, each with what became of its laws since the earlier."""

    results: tuple[LawResult, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """What is compared: `before`, and `after`, None for the working tree as it is."""

    before: Revision
    after: Revision | None


def pair_of(project: Project, written: str) -> Pair:
    """`REV` is compared with the working tree, `A..B` are two revisions. Raises AuditorError."""
    before, dots, after = written.partition("..")
    if dots and after.startswith("."):
        raise AuditorError(
            f"`--against {written}`: two revisions are written `{before}..{after.lstrip('.')}`"
        )
    if not dots and project.bare:
        raise AuditorError(
            f"`--against {written}`: `{project.folder}` is bare and has no working tree: name two"
            f" revisions, such as `{written}..HEAD`"
        )
    second = revision(project, after or "HEAD") if dots else None
    return Pair(revision(project, before or "HEAD"), second)


def compared_revisions(
    asked: Asked,
    project: Project,
    pair: Pair,
    *,
    measures: Sequence[str] = (STATEMENTS,),
    progress: Progress,
) -> Compared:
    """Measure both revisions, one after the other; if they are timed in turns, several times.
    Raises AuditorError when neither can be measured, or one cannot even be started."""
    with (
        _checked_out(project, pair.before) as old,
        _checked_out(project, pair.after) as new,
        ready(asked, project, old, progress) as measure_old,
        ready(asked, project, new, progress) as measure_new,
    ):
        rounds = [
            (measure_old(), measure_new()) for _ in range(_ROUNDS_TIMED if asked.is_timed else 1)
        ]
    before, after = rounds[0]
    failures = [side.failure for side in (*before, *after) if side.failure]
    if len(failures) == len(before) + len(after):
        raise AuditorError(failures[-1])
    results = tuple(result for side in after for result in side.results)
    known = {_key(result): result for side in before for result in side.results}
    named = str(pair.after) if pair.after else WORKING_TREE
    problems = (
        *_problems_of(str(pair.before), before, failing=True),
        *_problems_of(named, after, failing=True),
        *_gone(str(pair.before), known, results, after),
    )
    is_whole = not any(side.failure or side.problems for side in before)
    changed = tuple(
        _with_changes(one, str(pair.before), known, measures)
        if is_whole or _key(one) in known  # else it may have failed there, which was told
        else one
        for one in results
    )
    timed = _with_ratios(changed, str(pair.before), rounds) if asked.is_timed else changed
    return Compared(with_agreement(timed), problems)


def _with_ratios(
    results: Sequence[LawResult], since: str, rounds: Sequence[Round]
) -> tuple[LawResult, ...]:
    """The results with a note on how much longer each call takes than before, by pairs of runs."""
    old = [_medians(before) for before, _ in rounds]
    new = [_medians(after) for _, after in rounds]
    return tuple(
        replace(one, notes=(*one.notes, *_ratios(one, since, old, new))) for one in results
    )


def _ratios(
    result: LawResult, since: str, old: Sequence[Medians], new: Sequence[Medians]
) -> Iterator[str]:
    for timing in result.timings:
        key = (*_key(result), timing.sizes)
        pairs = [
            (was[key], now[key])
            for was, now in zip(old, new, strict=True)
            if key in was and key in now
        ]
        if not pairs:
            continue
        least, median, most = paired_ratio(*zip(*pairs, strict=True))
        yield (
            f"time at {sizes_in_words(timing.sizes)}: {median:.2f} times that of {since}"
            f" ({least:.2f} to {most:.2f} in {len(pairs)} pairs of runs)"
        )


def _medians(sides: Sequence[Side]) -> Medians:
    return {
        (*_key(result), timing.sizes): timing.median
        for side in sides
        for result in side.results
        for timing in result.timings
    }


@contextmanager
def _checked_out(project: Project, at: Revision | None) -> Iterator[Checkout]:
    if at is None:
        yield Checkout(WORKING_TREE, project.folder, is_ours=False)
        return
    with worktree(project, at.commit) as folder:
        yield Checkout(at.name, folder, is_ours=True)


def _with_changes(
    now: LawResult, since: str, known: dict[Key, LawResult], measures: Sequence[str]
) -> LawResult:
    before = known.get(_key(now))
    changes = (_change(since, measure, before, now) for measure in measures)
    return replace(now, changes=tuple(one for one in changes if one is not None))


def _change(since: str, measure: str, before: LawResult | None, now: LawResult) -> LawChange | None:
    if before is None:
        return change_since(since, measure, None, now)
    law = law_of_measure(before, measure)
    if law is None:
        return None  # that there was none is a Problem, told with its reason
    return change_since(since, measure, law, now, earlier=before.places)


def _problems_of(name: str, sides: Sequence[Side], *, failing: bool) -> Iterator[Problem]:
    """What did not go well at a revision."""
    subject = f"at {name}"
    for side in sides:
        if side.failure:
            yield Problem(subject, side.failure, hides_results=failing)
        yield from (
            Problem(f"{subject}: {one.subject}", one.message, one.hides_results)
            for one in side.problems
        )
        yield from _refused(subject, side.results)
        yield from _from_elsewhere(subject, side)


def _refused(subject: str, results: Sequence[LawResult]) -> Iterator[Problem]:
    for one in results:
        if one.law is None:
            where = f"{subject}: {one.scenario} on {one.database}"
            yield Problem(where, one.refusal, hides_results=True)


def _from_elsewhere(subject: str, side: Side) -> Iterator[Problem]:
    """The one mistake that would make both sides equal for no reason: not running the revision."""
    if side.foreign:
        yield Problem(
            subject,
            f"`{side.foreign[0]}` was imported, which is not of this revision; name the folder that"
            " the project is imported from with `--path`, or make an environment with `--setup`",
            hides_results=True,
        )
    elif not side.own and side.results:
        yield Problem(
            subject,
            "no module was imported from this revision, so another copy of the project was"
            " measured; name the folder that it is imported from with `--path`",
            hides_results=True,
        )


def _gone(
    name: str, known: dict[Key, LawResult], results: Sequence[LawResult], after: Sequence[Side]
) -> Iterator[Problem]:
    if any(side.failure or side.problems for side in after):
        return  # what is missing now was told
    for key, before in known.items():
        if key not in {_key(one) for one in results}:
            said = f"was there at {name} ({before.law or 'no law'}) and is no more"
            yield Problem(f"{before.scenario} on {before.database}", said)


def _key(result: LawResult) -> Key:
    return (result.scenario, result.database)
