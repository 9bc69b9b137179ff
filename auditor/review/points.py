"""The ten points of a review, each with what was found and what was looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from auditor.model.evidence import Evidence, Executions, FaultSeen, Growth
from auditor.model.finding import Confidence, Finding
from auditor.model.law import LawResult
from auditor.model.span import Frame
from auditor.report.estimates import compared, is_law_of
from auditor.review.reach import Reach
from auditor.review.subject import Subject, Working
from auditor.source.counts import names_of
from auditor.source.estimate import Estimate, estimate_of

SECURITY = ("DBA101", "DBA102")
"""Rules about text that an attacker may have a hand in."""
_ESTIMATES = 8
_READABLE = 90
"""Characters of a count that is shown whole."""
_STEEPEST = 2


@dataclass(frozen=True, slots=True)
class Materials:
    """Everything a review is written from. `findings` are those of the reviewed modules, at any
    confidence that is asked for, `least` the one below which 607 and 608 only count them."""

    subject: Subject
    findings: tuple[Finding, ...]
    least: Confidence = Confidence.MEDIUM
    laws: tuple[LawResult, ...] = ()
    reach: Reach | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One of the ten. `advice` counts findings that are not shown; `remarks` are lines that are no
    findings; `looked` says what was looked at."""

    code: str
    title: str
    findings: tuple[Finding, ...]
    looked: str
    advice: int = 0
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Row:
    code: str
    title: str
    prefixes: tuple[str, ...]
    looked: Callable[[Subject], str]
    remarks: Callable[[Materials], tuple[str, ...]] = lambda _: ()
    shows_advice: bool = True


def points_of(materials: Materials) -> tuple[Point, ...]:
    """The ten points in order."""
    return tuple(_point(row, materials) for row in _ROWS)


def security_of(materials: Materials) -> tuple[Finding, ...]:
    """The findings that an attacker would like."""
    return tuple(f for f in _shown(materials.findings, materials.least) if f.code in SECURITY)


def _point(row: _Row, materials: Materials) -> Point:
    secure = frozenset(security_of(materials))
    own = tuple(
        f for f in materials.findings if f.code.startswith(row.prefixes) and f not in secure
    )
    shown = own if row.shows_advice else tuple(_shown(own, materials.least))
    ordered = tuple(sorted(shown, key=lambda f: (rank_of(f), f.code, f.order_key)))
    return Point(
        code=row.code,
        title=row.title,
        findings=ordered,
        looked=row.looked(materials.subject),
        advice=len(own) - len(shown),
        remarks=row.remarks(materials),
    )


_RANKS = (Confidence.HIGH, Confidence.MEDIUM, Confidence.LOW)


def _shown(findings: Sequence[Finding], least: Confidence) -> list[Finding]:
    return [f for f in findings if _RANKS.index(f.confidence) <= _RANKS.index(least)]


def rank_of(finding: Finding) -> int:
    """How well a finding is witnessed: 0 measured, executed or reproduced, then 1 proven from the
    source, 2 with one assumption, 3 advice."""
    return 0 if live_evidence(finding) else _RANKS.index(finding.confidence) + 1


def live_evidence(finding: Finding) -> tuple[Evidence, ...]:
    """What live witnesses saw that bears on the finding: that a line is executed often, or grows,
    says nothing about its names."""
    wanted = next((kinds for family, kinds in _LIVE if finding.code.startswith(family)), ())
    return tuple(one for one in finding.evidence if isinstance(one, wanted))


_LIVE: tuple[tuple[str, tuple[type[Evidence], ...]], ...] = (
    ("DBA1", (Executions,)),
    ("DBA2", (FaultSeen,)),
    ("DBA3", (Growth, Executions)),
    ("DBA4", (FaultSeen, Executions)),
    ("DBA5", (Growth, Executions)),
)


def place_of(subject: Subject, path: str, name: str, line: int) -> str:
    """`function:line`, with the file when the review has several; a class that all functions are
    of is left out."""
    name = name.removeprefix(f"{subject.class_name}.") if subject.class_name else name
    return f"`{name}:{line}`" if len(subject.modules) == 1 else f"`{name}` ({path}:{line})"


def _place(subject: Subject, one: Working) -> str:
    return place_of(subject, one.module.path, one.function.qualname, one.function.at.line)


def many(number: int, word: str) -> str:
    """`1 function`, `2 functions`."""
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{number:,} {word if number == 1 else plural}"


def _public(subject: Subject) -> str:
    return f"{many(len(subject.public), 'public function')} that work on the database"


def _working(subject: Subject) -> str:
    return f"{many(len(subject.working), 'function')} that work on the database"


def _queries(subject: Subject) -> str:
    return (
        f"{many(subject.statements, 'place')} that issue statements, {many(subject.loops, 'loop')},"
        f" {many(subject.texts, 'text')} that become SQL"
    )


def _handlers(subject: Subject) -> str:
    return f"{many(len(subject.handlers), 'handler')} in {_working(subject)}"


def _organisation(subject: Subject) -> str:
    shown = ", ".join(f"`{table}`" for table in subject.tables[:6])
    more = f" and {len(subject.tables) - 6} more" if len(subject.tables) > 6 else ""  # noqa: PLR2004 - as many as are shown
    found = f": {shown}{more}" if subject.tables else ""
    modules = many(len(subject.modules), "module")
    return f"{modules}, {many(len(subject.tables), 'class')} of rows{found}".replace(
        "classs", "classes"
    )


def _growth(materials: Materials) -> tuple[str, ...]:
    """What was measured on the reviewed functions, else how the source says they grow."""
    subject = materials.subject
    secure = len(security_of(materials))
    told = [f"{many(secure, 'security defect')} stand above"] if secure > 1 else []
    told += ["the security defect stands above"] if secure == 1 else []
    laws = [law for law in materials.laws if _is_met(law, subject)]
    told += [_measured(law) for law in laws]
    for one, estimate in _growing(subject):
        place = _place(subject, one)
        text = f"{place} {_estimated(estimate)}, as far as the source tells"
        verdicts = [compared(estimate, law)[1] for law in laws if is_law_of(law, estimate)]
        told.append("; ".join((text, *(f"what was measured {v.strip()}" for v in verdicts))))
    shown = told[:_ESTIMATES]
    more = len(told) - len(shown)
    return (*shown, *([f"and {more} more functions that grow"] if more else ()))


def _estimated(estimate: Estimate) -> str:
    """The count, or what it grows with when it is too long to be read."""
    if len(estimate.text) <= _READABLE:
        return f"issues {estimate.text} statements"
    steepest = sorted(estimate.cost.high, key=lambda product: (-len(product), product))[:_STEEPEST]
    shown = " and ".join("*".join(f"|{name}|" for name in product) for product in steepest)
    more = len(names_of(estimate.cost.high)) - len({name for one in steepest for name in one})
    return f"grows with {shown}" + (f" and {many(more, 'length')} more" if more > 0 else "")


def _growing(subject: Subject) -> list[tuple[Working, Estimate]]:
    """Functions whose estimate grows, the steepest first; those left out that another one of them
    calls."""
    asked = (*subject.working, *subject.calling)
    found = [(one, estimate_of(subject.project, one.function)) for one in asked]
    growing = [(one, e) for one, e in found if any(product for product in e.cost.high)]
    scopes = subject.project.program.scopes
    below = {
        id(scopes[site.callee].function)
        for one, _ in growing
        for site in subject.project.sites(one.function)
        if site.callee >= 0 and scopes[site.callee].function is not one.function
    }
    above = [(one, estimate) for one, estimate in growing if id(one.function) not in below]
    return sorted(above, key=lambda found: -max(len(product) for product in found[1].cost.high))


def _measured(law: LawResult) -> str:
    where = f"measured, `{law.scenario}` on {law.database}"
    if law.law is None:
        return f"{where}: no law, {law.refusal}"
    return f"{where}: **`{law.law}`** statements in `{law.target.rpartition(':')[2]}`"


def _is_met(law: LawResult, subject: Subject) -> bool:
    """Whether a law was measured on a function of the review, or grows at one of its lines."""
    modules = {module.name for module in subject.modules}
    if law.target.partition(":")[0] in modules:
        return True
    paths = {module.path for module in subject.modules}
    frames: list[Frame] = [f for t in law.terms for s in t.sites for f in (s.frame, *s.stack)]
    return any(frame.path in paths for frame in frames)


def _tests(materials: Materials) -> tuple[str, ...]:
    """Functions and handlers that no recorded statement went through."""
    reach = materials.reach
    if reach is None:
        return ("no recorded run given: `--tape FILE` of `auditor record -- COMMAND` tells more",)
    subject = materials.subject
    told = []
    if reach.unseen:
        names = ", ".join(_place(subject, one) for one in reach.unseen)
        told.append(f"no recorded statement went through {names}")
    for caught in reach.unhandled:
        line = caught.handler.region.at.line
        place = place_of(subject, caught.module.path, caught.function.qualname, line)
        types = ", ".join(name.rpartition(".")[2] for name in caught.handler.types) or "everything"
        told.append(f"no recorded error reached the handler for {types} at {place}")
    reached = f"{len(reach.reached)} of {len(subject.working)} functions"
    tests = f" by {many(len(reach.tests), 'test')}" if reach.tests else ""
    handled = f"{len(reach.handled)} of {many(len(subject.handlers), 'handler')}"
    told.append(f"{reached} were seen{tests}, {handled}")
    return tuple(told)


_ROWS = (
    _Row(
        "601",
        "Naming conventions",
        ("DBA601",),
        lambda subject: f"{many(subject.names, 'name')} of {many(subject.functions, 'function')}",
    ),
    _Row("602", "Type annotations", ("DBA602",), _public),
    _Row("603", "Docstrings", ("DBA603",), _public),
    _Row("604", "Signatures", ("DBA604",), _working),
    _Row("605", "Mixed responsibility", ("DBA605",), _working),
    _Row(
        "606",
        "Misleading names",
        ("DBA606",),
        lambda subject: f"{many(subject.names, 'name')}, {many(subject.loops, 'loop')}",
    ),
    _Row(
        "607", "Query optimisation", ("DBA1", "DBA3", "DBA5"), _queries, _growth, shows_advice=False
    ),
    _Row("608", "Error handling and transactions", ("DBA2", "DBA4"), _handlers, shows_advice=False),
    _Row("609", "Organisation", ("DBA609",), _organisation),
    _Row("610", "Tests", ("DBA610",), _handlers, _tests),
)
