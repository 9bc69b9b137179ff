"""Statements of a tape whose rows multiply: what DBA311 sees of a live session."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from auditor.model.span import Frame, Span
from auditor.model.tape import Entry, Tape
from auditor.rule import Hit, Hits
from auditor.rules.fixes import class_of_table
from auditor.rules.queries.queries_instead import style_of
from auditor.rules.queries.recorded_loads import LEAST_ROWS, evidence_of, rows_each
from auditor.rules.recorded import is_set_up, path_of_entry
from auditor.source.project import Project
from auditor.sql.products import untied_tables

_NESTED = " > "
_MANY = "[]"


def recorded(tape: Tape, project: Project) -> Hits:
    """Statements that were executed and whose rows multiply."""
    found: dict[tuple[Frame, str], list[Entry]] = {}
    for entry in tape.entries:
        if entry.verb != "SELECT" or not entry.site.stack:
            continue
        if not is_set_up(path_of_entry(project, entry)):
            for words in _products(project, entry):
                found.setdefault((entry.site.frame, words), []).append(entry)
    for (frame, words), entries in found.items():
        rows = sum(entry.rows for entry in entries)
        path = path_of_entry(project, entries[0])
        function = path[0].function.qualname if path[0].function is not None else frame.function
        evidence = tuple(evidence_of(entries))
        fields = {"what": words, "rows": f"{rows:,}"}
        yield Hit(Span(frame.path, frame.line), function, fields, evidence, message=_RECORDED)


_RECORDED = "{what}; {rows} rows were fetched"


def _products(project: Project, entry: Entry) -> Iterator[str]:
    pair = next(_pairs(entry.joined), None)
    if pair is not None and rows_each(entry) >= LEAST_ROWS:
        one, other = pair
        yield (
            f"`{one}` and `{other}` are collections joined side by side, a row for each"
            f" combination: `selectinload({other})` in place of the second `joinedload`"
        )
    apart = untied_tables(entry.shape)
    if apart:
        one, other = (class_of_table(project, table) or table for table in apart[:2])
        is_text = style_of(project, entry, path_of_entry(project, entry)).how == "text"
        join = f"`JOIN {apart[1]} ON ...`" if is_text else f"`.join({other}, ...)`"
        yield (
            f"`{one}` and `{other}` stand in FROM and no condition ties them: {join}, or a"
            " condition that names both"
        )


def _pairs(joined: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Two joined relations that multiply each other: beyond what they share, both lead to many."""
    paths = [path.split(_NESTED) for path in joined if path.endswith(_MANY)]
    for one, other in itertools.combinations(paths, 2):
        shared = sum(1 for _ in itertools.takewhile(lambda p: p[0] == p[1], zip(one, other)))  # noqa: B905 - to the shorter
        if all(any(_MANY in step for step in path[shared:]) for path in (one, other)):
            yield one[-1].removesuffix(_MANY), other[-1].removesuffix(_MANY)
