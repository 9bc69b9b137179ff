"""What a retry does again that no rollback takes back."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from metering import facade
from planted import rows
from planted.pair import Pair
from planted.service import oslo, retried

_JOURNAL = Path(tempfile.gettempdir()) / f"planted-journal-{os.getpid()}"


def _note(words: str) -> None:
    with _JOURNAL.open("a") as journal:
        journal.write(f"{words}\n")


def _count_and_create(context: facade.Context) -> None:
    with facade.WRITER.using(context) as session:
        session.execute(rows.use_one_more())
        session.execute(rows.insert_label("new"))


@oslo
def written_at_each_try(context: facade.Context) -> Any:
    @retried
    def create() -> None:
        _note("label made")
        _count_and_create(context)

    try:
        create()
    finally:
        _JOURNAL.unlink(missing_ok=True)


@oslo
def written_at_each_try_twin(context: facade.Context) -> Any:
    @retried
    def create() -> None:
        _count_and_create(context)

    try:
        create()
        _note("label made")
    finally:
        _JOURNAL.unlink(missing_ok=True)


@retried
def _create_and_remember(context: facade.Context, request: dict[str, Any]) -> None:
    request["tries"] = [*request.get("tries", ()), "one more"]
    _count_and_create(context)


@retried
def _create(context: facade.Context, request: dict[str, Any]) -> None:
    _count_and_create(context)


@oslo
def argument_grows_with_each_try(context: facade.Context) -> Any:
    _create_and_remember(context, {"name": "new"})


@oslo
def argument_grows_with_each_try_twin(context: facade.Context) -> Any:
    _create(context, {"name": "new"})


PAIRS = (
    Pair(
        "each try writes to a file",
        written_at_each_try,
        written_at_each_try_twin,
        "deadlock",
        "repeated-effect",
        ("commit-deadlock",),
    ),
    Pair(
        "each try adds to its argument",
        argument_grows_with_each_try,
        argument_grows_with_each_try_twin,
        "deadlock",
        "repeated-effect",
        ("commit-deadlock",),
    ),
)
