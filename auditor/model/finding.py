"""What rules say about the user's code (`Finding`) and about our own work (`Problem`)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from auditor.model.evidence import Evidence
from auditor.model.span import Span


class Severity(enum.Enum):
    """How bad it is when it is true. `error` is kept for what is proven."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Confidence(enum.Enum):
    """How sure the rule is: `high` is provable from what was read, `medium` needs one assumption
    (named in the message), `low` is advice and is not shown by default."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Finding:
    """An offence in the user's code.

    `function` is the qualified name inside the module (`MeteringDbMixin.get_sync_data`), or
    `<module>`. `fingerprint` is 16 hex digits that leave out line numbers, so that a baseline
    survives edits above. Findings are ordered by `order_key`.
    """

    code: str
    name: str
    message: str
    span: Span
    function: str
    severity: Severity
    confidence: Confidence
    evidence: tuple[Evidence, ...] = ()
    fingerprint: str = ""

    @property
    def order_key(self) -> tuple[str, int, int, str, str]:
        """Sorts findings as every report shows them: path, line, column, code, message."""
        return (self.span.path, self.span.line, self.span.column, self.code, self.message)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something of our own work that did not go well: a fact about the report, not about the code.

    `subject` names what was being worked on (a path, a rule code, a plug-in). A problem that
    `hides_results` makes the command end with exit status 2.
    """

    subject: str
    message: str
    hides_results: bool = False
