"""The built-in knowledge tables; `TABLES` is what the entry point `auditor.knowledge` gives."""

from __future__ import annotations

from auditor.knowledge import errors
from auditor.model.knowledge import Table

TABLES: tuple[Table, ...] = (*errors.TABLES,)
