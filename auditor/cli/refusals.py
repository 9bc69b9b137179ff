"""What a command cannot do whatever its work brings, said before the work and not after it."""

from __future__ import annotations

import os
from pathlib import Path

from auditor import baseline
from auditor.model.errors import AuditorError
from auditor.report import renderer


def refuse_undeliverable(
    format: str,  # noqa: A002 - the word users write
    *,
    written: tuple[Path | None, ...],
    known: Path | None,
) -> None:
    """Refuse an unknown format, a file to write in no folder, and a baseline that is none.

    Raises AuditorError, in the words that the failure would have had at the end.
    """
    renderer(format)
    for path in written:
        if path is not None and str(path) != "-":
            _refuse_without_folder(path)
    if known is not None:
        baseline.read(known)


def _refuse_without_folder(path: Path) -> None:
    try:
        os.stat(f"{path.resolve().parent}/.")
    except OSError as error:
        raise AuditorError(f"cannot write `{path}`: {error.strerror}") from error
