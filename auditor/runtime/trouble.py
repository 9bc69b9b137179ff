"""Errors of our own in places that must not raise: told to the recordings, never to the program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[str, str], None]


class Trouble:
    """Where such errors go; nowhere while nothing is recorded."""

    __slots__ = ("tell",)

    def __init__(self) -> None:
        self.tell: Tell | None = None

    def note(self, what: str, error: BaseException) -> None:
        """Tells that `what` was not seen. Never raises."""
        tell = self.tell
        if tell is not None and not isinstance(error, RecursionError):
            tell(f"recorder of {what}", f"missed after `{type(error).__name__}: {error}`")


trouble = Trouble()


@contextmanager
def kept_from_program(what: str) -> Iterator[None]:
    """Ends an error of ours here."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - ours must not raise into the program
        trouble.note(what, error)
