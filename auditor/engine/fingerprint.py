"""Fingerprints: 16 hex digits that stay the same when lines above a finding come and go."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from auditor.model.evidence import Executions, FaultSeen, Growth
from auditor.model.finding import Finding

LinesOf = Callable[[str], Sequence[str]]
"""The source lines of a path, empty if they cannot be read."""

_LINES = 3
"""Lines of the offence that count; a long one may change further down and stay the same offence."""
_COMMENT = re.compile(r"\s#[^'\"]*$")
_NUMBER = re.compile(r"\d+")
_NOTE = re.compile(r" \([^()]*\d[^()]*\)")
"""Counts in parentheses: `(532 in all, in 2 tests)`."""


def fingerprinted(findings: Iterable[Finding], lines_of: LinesOf) -> tuple[Finding, ...]:
    """The findings, in the same order, each with its fingerprint: code, path, function, snippet and
    the ordinal among equal ones."""
    seen: Counter[tuple[str, ...]] = Counter()
    done = []
    for finding in findings:
        key = (finding.code, finding.span.path, finding.function, _snippet(finding, lines_of))
        text = "\0".join((*key, str(seen[key])))
        seen[key] += 1
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        done.append(replace(finding, fingerprint=digest[:16]))
    return tuple(done)


def _snippet(finding: Finding, lines_of: LinesOf) -> str:
    """The offending lines without comments and spacing, and what SQLAlchemy did there when it was
    recorded; without source, the message without numbers and notes, which change from run to run.
    """
    lines = () if _is_of_scenario(finding) else lines_of(finding.span.path)
    if not lines:
        return _NUMBER.sub("#", _NOTE.sub("", finding.message))
    last = min(finding.span.end_line, finding.span.line + _LINES - 1)
    found = (_COMMENT.sub("", line) for line in lines[finding.span.line - 1 : last])
    return " ".join((*" ".join(found).split(), *_causes(finding)))


def _is_of_scenario(finding: Finding) -> bool:
    """Whether a scenario, and no line alone, is what the finding is about."""
    return any(isinstance(one, (Growth, FaultSeen)) for one in finding.evidence)


def _causes(finding: Finding) -> Iterator[str]:
    """`lazy load Router.ports`, of a recorded finding: one line may load several relations."""
    seen = (one.cause for one in finding.evidence if isinstance(one, Executions))
    yield from itertools.islice(seen, 1)
