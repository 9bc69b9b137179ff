"""What a rule is: metadata, page, examples and check in one frozen value.

A rule is one file under `auditor/rules/`. Its `check` is one of the `on_*` wrappers below around a
module-level function that reads facts and yields `Hit`s; it never parses, reads files or prints.
`bad` and `good` are its tests and its page: in `bad`, exactly the lines marked `# expect: CODE`
are reported; in `good`, none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from auditor.model.evidence import Evidence
from auditor.model.finding import Confidence, Severity
from auditor.model.law import LawResult
from auditor.model.outcome import FaultOutcome
from auditor.model.span import Span
from auditor.model.tape import Tape
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.project import Project


@dataclass(frozen=True, slots=True)
class Hit:
    """One offence. `fields` fill the rule's message template. A hit may lower or raise the rule's
    own confidence and severity when it knows more than the rule does in general. `message` is a
    template of its own, for a check that has other things to tell than the rule's other checks."""

    span: Span
    function: str
    fields: Mapping[str, object] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    confidence: Confidence | None = None
    severity: Severity | None = None
    message: str = ""


Hits = Iterable[Hit]


@dataclass(frozen=True, slots=True)
class OnModule:
    """The check is called once for each module of the project."""

    check: Callable[[Project, ModuleFacts], Hits]


@dataclass(frozen=True, slots=True)
class OnFunction:
    """The check is called once for each function, methods and nested functions included, and once
    for the body of each module (a function named `<module>`). Functions that neither work with a
    database, through any depth of calls, nor have a word that such code has, are left out unless
    the check is to be called `everywhere`.

    `needs` and `calls` only save time: they name what a function must have for the check to find
    anything (see `auditor.source.traits`): one trait of each need, a call by one of the names."""

    check: Callable[[Project, ModuleFacts, FunctionFacts], Hits]
    everywhere: bool = False
    needs: tuple[int, ...] = ()
    calls: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OnTape:
    """The check is called once with what was recorded and with the source that the tape's call
    paths name, linked; a file that cannot be read is not among its modules. What such checks need
    is in `auditor.rules.recorded`."""

    check: Callable[[Tape, Project], Hits]


@dataclass(frozen=True, slots=True)
class OnLaws:
    """The check is called once with all results of profiles."""

    check: Callable[[tuple[LawResult, ...]], Hits]


@dataclass(frozen=True, slots=True)
class OnOutcomes:
    """The check is called once with all outcomes of a fault sweep."""

    check: Callable[[tuple[FaultOutcome, ...]], Hits]


Check = OnModule | OnFunction | OnTape | OnLaws | OnOutcomes


@dataclass(frozen=True, slots=True)
class Example:
    """Source of one or more modules; for a rule of laws, of a file of scenarios. A line
    `# --- pkg/name.py` begins another file; without one the whole text is `example.py`.
    `# expect: DBA301` marks a line that must be reported, two codes are written
    `# expect: DBA301 DBA302`."""

    title: str
    source: str


@dataclass(frozen=True, slots=True)
class LiveExample:
    """A program for a runtime rule, as source that is run under the recorder on a SQLite file.

    Its last file has `run(engine)`, or `async def run(engine)` for an async engine. If it has
    `prepare(engine)`, that runs before the recording begins, always on a sync engine.
    `# expect: DBA301` marks each line that must be reported, as in an `Example`. `expect` may hold
    the very findings as `function: message` lines; lines count from the first of the example.
    """

    title: str
    source: str
    expect: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the catalogue. `message` is a `str.format` template over the fields of its hits."""

    code: str
    name: str
    since: str
    severity: Severity
    confidence: Confidence
    message: str
    why: str
    instead: str
    checks: tuple[Check, ...]
    bad: tuple[Example | LiveExample, ...]
    good: tuple[Example | LiveExample, ...]
    known_gaps: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    in_tests: bool = False
    """Whether its static checks look at tests too, where a scan takes them in: it is about what
    fails or hurts in a test as well as in a program."""
