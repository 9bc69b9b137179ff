"""The verdict on one faulted call: a table of questions to how it ended, asked in order.

returned      state and result as without the fault       recovered
              state neither as before nor as success      half-committed
              a session that cannot be used               broken-session
              else                                        swallowed
raised        state neither as before nor as success      half-committed
              the session the error had broken            broken-session, masked if in a handler
              a declared error, or one made of the fault  reported
                (of several in a group: the worst counts)
                but all is stored, and a later error told   misreported
                but a transaction is left open              broken-session
              an error that has nothing to do with it     masked
              a database error, or a retry library's      retried-in-vain or leaked
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from auditor.faults.verdicts.deliberate import is_deliberate, parts_of
from auditor.model.outcome import Verdict

_DATABASE_PACKAGES = (
    "sqlalchemy",
    "oslo_db",
    "sqlite3",
    "psycopg",
    "psycopg2",
    "pymysql",
    "MySQLdb",
    "aiosqlite",
    "asyncpg",
)
_RETRY_PACKAGES = ("tenacity", "backoff", "retrying", "retry", "stamina")
"""What they raise when they give up says nothing that the database's error does not."""
_MISTAKES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
)
"""Python's own errors: a report to the caller only if they are raised on purpose."""

_DEAD_SESSION = (
    "current transaction is aborted",
    "this session's transaction has been rolled back",
    "can't reconnect until invalid",
    "this transaction is inactive",
)
_LEFT_OPEN = "leaves a transaction open, which it ends when nothing fails"
_CAUSES = ("__cause__", "__context__", "orig", "inner_exception", "inner_exc", "cause")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a faulted call ended. `error` escaped, None if it returned; `shown` are the errors that
    the program was given because of the fault. `unchanged` and `done` compare the state with that
    before the call and that of success, `same_result` what it returned (or raised) with that of
    success. `dead_sessions` counts sessions left unusable, `left_open` sessions and connections
    that the call without a fault leaves clean and this one left dead or in a transaction.
    `declared` is the error's standing in the scenario. `stored`: the fault came after its
    transaction had been stored. `in_handler`: what escaped was raised inside of a handler."""

    error: BaseException | None
    shown: Sequence[BaseException]
    unchanged: bool
    done: bool
    same_result: bool
    declared: bool
    attempts: int
    dead_sessions: int
    stored: bool = False
    left_open: int = 0
    in_handler: bool = False


def verdict_of(ending: Ending) -> tuple[Verdict, str]:
    """The verdict, and in words what the verdict alone does not tell (may be empty)."""
    if ending.error is None or ending.same_result:
        return _of_returned(ending)
    if not ending.unchanged and not ending.done:
        return Verdict.HALF_COMMITTED, "the call failed, and part of its work is stored"
    each = [_of_raised(replace(ending, error=one), one) for one in _parts(ending.error, ending)]
    return next((verdict for verdict in each if not verdict[0].is_good), each[0])


def _parts(error: BaseException, ending: Ending) -> tuple[BaseException, ...]:
    """Those of a group are judged one by one, unless the program raised the group as its own."""
    return (error,) if ending.declared else parts_of(error)


def _of_returned(ending: Ending) -> tuple[Verdict, str]:
    is_clean = not ending.dead_sessions and not ending.left_open
    if ending.done and ending.same_result and is_clean:
        return Verdict.RECOVERED, ""
    if not ending.unchanged and not ending.done:
        return (
            Verdict.HALF_COMMITTED,
            "the call returned, and what is stored is not its work",
        )
    if ending.dead_sessions:
        return Verdict.BROKEN_SESSION, "the call returned, and its session cannot be used any more"
    if ending.left_open:
        return Verdict.BROKEN_SESSION, f"the call returned, and {_LEFT_OPEN}"
    if ending.done:
        return Verdict.SWALLOWED, "the state is that of success, the result is not"
    return Verdict.SWALLOWED, "the call returned as if done, and nothing of its work is stored"


def _of_raised(ending: Ending, error: BaseException) -> tuple[Verdict, str]:
    is_caused = is_made_of(error, ending.shown)
    if is_dead_session(error):
        if ending.in_handler or (is_caused and error not in ending.shown):
            return Verdict.MASKED, "a handler used the session that the error had broken"
        return Verdict.BROKEN_SESSION, "the session was used after the error had broken it"
    if isinstance(error, SystemExit) and not error.code and not ending.declared:
        return Verdict.SWALLOWED, "the program ended as if all were well"
    is_raw = is_database_error(error) or _package(error) in _RETRY_PACKAGES
    if ending.declared or (not is_raw and is_caused and not _is_mistake(error)):
        return _of_reported(ending, error)
    if not is_raw:
        how = "in handling it" if is_caused else "after it had been swallowed"
        return Verdict.MASKED, f"another error was raised {how}"
    return _of_database_error(ending, error, is_caused=is_caused)


def _of_reported(ending: Ending, error: BaseException) -> tuple[Verdict, str]:
    if not ending.unchanged and not ending.stored:
        return Verdict.HALF_COMMITTED, "the call reported failure, and all of its work is stored"
    if ending.stored and _is_of_later_error(ending.shown, error):
        return Verdict.MISREPORTED, (
            "the work was stored when the connection was lost; the error is that of doing it again"
        )
    if ending.dead_sessions and ending.left_open:
        return Verdict.BROKEN_SESSION, "the call reported, and its session cannot be used any more"
    if ending.left_open:
        return Verdict.BROKEN_SESSION, f"the call reported, and {_LEFT_OPEN}"
    return Verdict.REPORTED, ""


def _is_of_later_error(shown: Sequence[BaseException], error: BaseException) -> bool:
    """Whether an error was made of another database error than the fault's own, and of another
    class."""
    found = {id(one) for one in chain(error)}
    sources = [one for one in shown if id(one) in found]
    return bool(sources) and all(type(one) is not type(shown[0]) for one in sources)


def _of_database_error(
    ending: Ending, error: BaseException, *, is_caused: bool
) -> tuple[Verdict, str]:
    stored = "" if ending.unchanged else "; all of its work is stored"
    if ending.attempts > 1:
        return Verdict.RETRIED_IN_VAIN, f"tried {ending.attempts} times{stored}"
    shown = {class_name(one) for one in ending.shown}
    is_another = class_name(error) not in shown and is_database_error(error)
    if is_another and is_caused and not _is_request(error):
        return Verdict.MASKED, f"another database error hid the first{stored}"
    return Verdict.LEAKED, stored.removeprefix("; ")


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all it was made of or raised in handling, each once."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        parts = [getattr(one, name, None) for name in _CAUSES]
        waiting += [part for part in parts if isinstance(part, BaseException)]
        waiting += [part for part in parts_of(one) if part is not one]


def is_database_error(error: BaseException) -> bool:
    """Whether the error's own class is SQLAlchemy's, oslo.db's or a driver's."""
    return _package(error) in _DATABASE_PACKAGES


def is_domain_error(error: BaseException) -> bool:
    """Whether the error is a program's own word for something, and no mistake of Python's kind."""
    return not is_database_error(error) and not _is_mistake(error)


def is_made_of(error: BaseException, shown: Sequence[BaseException]) -> bool:
    """Whether the error is one of those shown, was raised in handling one, or holds it."""
    return not set(map(id, chain(error))).isdisjoint(
        id(one) for each in shown for one in chain(each)
    )


def is_dead_session(error: BaseException) -> bool:
    """Whether an error says that a transaction had failed before and was not ended."""
    if any(cls.__name__ == "PendingRollbackError" for cls in type(error).__mro__):
        return True
    text = str(error).lower()
    return is_database_error(error) and any(words in text for words in _DEAD_SESSION)


def class_name(error: BaseException) -> str:
    """`module.Class`, of Python's own errors the class alone."""
    cls = type(error)
    place = cls.__module__
    return cls.__qualname__ if place == "builtins" else f"{place}.{cls.__qualname__}"


def _package(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]


def _is_mistake(error: BaseException) -> bool:
    """Of Python's own classes: a subclass that a program defines is its own word for something."""
    if type(error) is SystemExit:
        return not isinstance(error.code, str)  # a bare number says nothing of what happened
    is_own = type(error).__module__ == "builtins" and isinstance(error, _MISTAKES)
    return is_own and not is_deliberate(error)


def _is_request(error: BaseException) -> bool:
    return type(error).__name__ == "RetryRequest"
