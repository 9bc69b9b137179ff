"""Scratch databases for the workers of a sweep: one for each, all on one server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from sqlalchemy.engine import make_url

from auditor.backends.database import ScratchDatabase
from auditor.backends.scratch import dialect_of, has_server, open_scratch

_OF_FILES = ("sqlite",)


@dataclass(frozen=True, slots=True)
class Databases:
    """`open` gives a scratch database of its own to each that asks; `is_single`: the URL names
    one, so that only one worker at a time can have it."""

    open: Callable[[], AbstractContextManager[ScratchDatabase]]
    is_single: bool


@contextmanager
def databases_at(url: str, *, allow_existing: bool = False) -> Iterator[Databases]:
    """Databases behind `url`. A server of our own is started once, and ends with the context.

    Raises DatabaseError, here or when one is opened.
    """
    if dialect_of(url) in _OF_FILES or has_server(url):
        yield Databases(
            lambda: open_scratch(url, allow_existing=allow_existing), is_single=_names_one(url)
        )
        return
    with open_scratch(url, allow_existing=allow_existing) as first:
        server = make_url(first.url).set(database="").render_as_string(hide_password=False)
        unused = [first]

        def open_next() -> AbstractContextManager[ScratchDatabase]:
            return nullcontext(unused.pop()) if unused else open_scratch(server)

        yield Databases(open_next, is_single=False)


def _names_one(url: str) -> bool:
    if not has_server(url):
        return False
    return make_url(url).database not in {None, "", ":memory:"}
