"""Which functions and handlers a recorded session went through.

A function is reached when a recorded statement has it in its stack. A handler is reached when a
statement was issued from its lines, or failed below its `try` with an error that it catches. What
ran without issuing a statement leaves no trace: so it is said to be "not seen", never "not run".
"""

from __future__ import annotations

from dataclasses import dataclass

from auditor.model.span import Frame
from auditor.model.tape import Entry, Tape
from auditor.review.subject import Caught, Subject, Working
from auditor.source.facts import At

_BROAD = frozenset(("Exception", "BaseException"))


@dataclass(frozen=True, slots=True)
class Reach:
    """What a tape saw of a subject, in its order; `tests` are the tests that reached it."""

    reached: tuple[Working, ...]
    unseen: tuple[Working, ...]
    handled: tuple[Caught, ...]
    unhandled: tuple[Caught, ...]
    tests: tuple[str, ...]
    statements: int


def reach_of(subject: Subject, tape: Tape) -> Reach:
    """What the tape saw of the functions and handlers of a subject."""
    reached: list[Working] = []
    unseen: list[Working] = []
    tests: set[str] = set()
    for one in subject.working:
        entries = [e for e in tape.entries if any(_is_in(f, one) for f in e.site.stack)]
        (reached if entries else unseen).append(one)
        tests.update(entry.test for entry in entries if entry.test)
    handled = [c for c in subject.handlers if any(_handled(subject, e, c) for e in tape.entries)]
    return Reach(
        reached=tuple(reached),
        unseen=tuple(unseen),
        handled=tuple(handled),
        unhandled=tuple(caught for caught in subject.handlers if caught not in handled),
        tests=tuple(sorted(tests)),
        statements=tape.statements,
    )


def _is_in(frame: Frame, one: Working | Caught) -> bool:
    """Whether a frame is of the function; its path may begin in another folder, and frames of
    Python 3.10 have only the last step of a qualified name."""
    shorter, longer = sorted((frame.path, one.module.path), key=len)
    if shorter != longer and not ("/" in shorter and longer.endswith(f"/{shorter}")):
        return False
    at = one.function.at
    own = frame.function.rpartition(".")[2] == one.function.name
    return own and at.line <= frame.line <= at.end_line


def _handled(subject: Subject, entry: Entry, caught: Caught) -> bool:
    lines = [frame.line for frame in entry.site.stack if _is_in(frame, caught)]
    if any(_holds(caught.handler.region.at, line) for line in lines):
        return True
    below = any(_holds(caught.handler.tried.at, line) for line in lines)
    return below and any(_catches(subject, caught, error) for error, _ in entry.errors)


def _holds(at: At, line: int) -> bool:
    return at.line <= line <= at.end_line


def _catches(subject: Subject, caught: Caught, error: str) -> bool:
    """Whether the handler is for an error of that class name; a tape may name it without module."""
    types = caught.handler.types
    if not types or any(name.rpartition(".")[2] in _BROAD for name in types):
        return True
    last = error.rpartition(".")[2]
    knowledge = subject.project.knowledge
    named = {row.name for row in knowledge.errors.values() if row.name.rpartition(".")[2] == last}
    return any(
        name.rpartition(".")[2] == last or any(knowledge.is_error(known, name) for known in named)
        for name in types
    )
