"""Runs rules over what was read, recorded, measured and made to fail; gives a `Report`.

scan(paths)          source -> facts -> project -> static rules
judge(tape)          a tape, laws or fault outcomes -> their rules
join(a, b, ...)      several results -> one report, in which they strengthen each other
"""

from __future__ import annotations

from auditor.engine.joining import join
from auditor.engine.judging import judge
from auditor.engine.scanning import scan

__all__ = ["join", "judge", "scan"]
