"""Places in facts to spans in reports."""

from __future__ import annotations

from auditor.model.span import Span
from auditor.source.facts import At, ModuleFacts


def span_of(module: ModuleFacts, at: At) -> Span:
    """The span of a place in a module."""
    return span_at(module.path, at)


def span_at(path: str, at: At) -> Span:
    """The span of a place in the file shown as `path`."""
    return Span(path, at.line, at.column, at.end_line, at.end_column)
