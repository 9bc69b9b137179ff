"""Exact laws of growth: polynomials with rational coefficients in named sizes, with step terms.

Law                4 + 3*labels + 1/2*routers*ports + ceil(labels/500)
 └ Term            3*labels          coefficient 3, factors (Power("labels", 1),)
    └ Factor       Power("labels", 2) | Step("labels", 500) | AtMost("labels", 100)
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from auditor.model.span import Frame


@dataclass(frozen=True, slots=True, order=True)
class Power:
    """`variable ** exponent`, exponent at least 1."""

    variable: str
    exponent: int = 1

    def at(self, sizes: Mapping[str, int]) -> int:
        return int(sizes[self.variable] ** self.exponent)

    def __str__(self) -> str:
        return self.variable if self.exponent == 1 else f"{self.variable}^{self.exponent}"


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """`ceil((variable - less) / per)`: one statement for each started batch of `per`, or for every
    `per`-th element; `less` is at least 0 and below `per`."""

    variable: str
    per: int
    less: int = 0

    def at(self, sizes: Mapping[str, int]) -> int:
        return -((self.less - sizes[self.variable]) // self.per)

    def __str__(self) -> str:
        counted = f"({self.variable}-{self.less})" if self.less else self.variable
        return f"ceil({counted}/{self.per})"


@dataclass(frozen=True, slots=True, order=True)
class AtMost:
    """`min(variable, cap)`: grows until a cap."""

    variable: str
    cap: int

    def at(self, sizes: Mapping[str, int]) -> int:
        return min(sizes[self.variable], self.cap)

    def __str__(self) -> str:
        return f"min({self.variable}, {self.cap})"


Factor = Power | Step | AtMost


@dataclass(frozen=True, slots=True)
class Term:
    """A coefficient times factors; no factors is the constant term."""

    coefficient: Fraction
    factors: tuple[Factor, ...] = ()

    def at(self, sizes: Mapping[str, int]) -> Fraction:
        value = self.coefficient
        for factor in self.factors:
            value *= factor.at(sizes)
        return value

    def __str__(self) -> str:
        if not self.factors:
            return str(self.coefficient)
        product = "*".join(str(factor) for factor in self.factors)
        if self.coefficient == 1:
            return product
        if self.coefficient == -1:
            return f"-{product}"
        return f"{self.coefficient}*{product}"


@dataclass(frozen=True, slots=True)
class Law:
    """A sum of terms, the constant first; an empty law is 0."""

    terms: tuple[Term, ...]

    def at(self, sizes: Mapping[str, int]) -> Fraction:
        """The value at `sizes`; every variable of the law must be named. Raises KeyError if not."""
        return sum((term.at(sizes) for term in self.terms), Fraction(0))

    @property
    def growing(self) -> tuple[Term, ...]:
        """The terms that are not constant."""
        return tuple(term for term in self.terms if term.factors)

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        text = str(self.terms[0])
        for term in self.terms[1:]:
            part = str(term)
            text += f" - {part[1:]}" if part.startswith("-") else f" + {part}"
        return text


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured at one set of sizes: statements, and rows fetched by them.

    `counts` has the other measures by name: `transactions`, `savepoints`, and the statements of
    each kind (`SELECT`, `INSERT`, `UPDATE`, `DELETE`, `other`); what was 0 everywhere is left out.
    """

    sizes: tuple[tuple[str, int], ...]
    statements: int
    rows: int
    counts: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Holdout:
    """A point that took no part in the fit: what the law said and what was measured."""

    sizes: tuple[tuple[str, int], ...]
    predicted: Fraction
    measured: int


@dataclass(frozen=True, slots=True)
class MeasureLaw:
    """The law of another measure of the same calls, or the reason why none is given.

    `measure` is `rows` (fetched), `transactions`, `savepoints`, or a kind of statement: `SELECT`,
    `INSERT`, `UPDATE`, `DELETE`, `other`.
    """

    measure: str
    law: Law | None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a call took at one set of sizes: least, median and most seconds of `repeats`."""

    sizes: tuple[tuple[str, int], ...]
    repeats: int
    least: float
    median: float
    most: float
    rows: int


@dataclass(frozen=True, slots=True)
class TermSite:
    """A place that produces part of a term: the user's line, the cause, and the statement shape.

    `frame` is the innermost line in the module under measurement, or the innermost of all where
    the call path does not touch that module.
    """

    frame: Frame
    cause: str
    shape: str
    share: str
    """This site's own part of the term, such as `7*labels`."""
    stack: tuple[Frame, ...] = ()
    """The user's call path, innermost first; `frame` is one of it."""
    codes: tuple[str, ...] = ()
    """The rules whose findings, read from the source, stand on the line of `frame`."""


@dataclass(frozen=True, slots=True)
class ExplainedTerm:
    """A growing term of the law with the sites that produce it, largest share first."""

    term: Term
    sites: tuple[TermSite, ...]


@dataclass(frozen=True, slots=True)
class PlaceLaw:
    """What one place has of a measure (`statements` or `rows`) at all sizes, constants included;
    the share of `site` is the whole of `law`."""

    measure: str
    site: TermSite
    law: Law


@dataclass(frozen=True, slots=True)
class TableScan:
    """A statement that reads all of a growing table for a number of rows that does not grow.

    `columns` are those of the table that the statement compares; `rows` the table's rows at the
    smaller and at the larger sizes, `fetched` what one execution fetched there, `executions` how
    often it ran at the larger. `plan` is the line of the database's own plan.
    """

    table: str
    columns: tuple[str, ...]
    shape: str
    stack: tuple[Frame, ...]
    rows: tuple[int, int]
    fetched: tuple[Fraction, Fraction]
    executions: int
    plan: str


class Promise(enum.Enum):
    """How a contract is written next to a scenario."""

    GROWS = "grows"
    AT_MOST = "at_most"


@dataclass(frozen=True, slots=True)
class Contract:
    """One promise of a scenario about one of its laws, such as `constant in routers` or, for
    `AT_MOST`, `20 + labels`. `auditor.model.contract` reads and judges it."""

    promise: Promise
    measure: str
    text: str

    def __str__(self) -> str:
        said = f"at most {self.text}" if self.promise is Promise.AT_MOST else self.text
        return said if self.measure == "statements" else f"{self.measure} {said}"


class Change(enum.Enum):
    """What became of a law, at all sizes. `MIXED` is worse at some sizes and better at others, or
    could not be proven to be neither; `NEW` has no earlier law."""

    SAME = "same"
    BETTER = "better"
    WORSE = "worse"
    MIXED = "changed"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class LawChange:
    """The law of a measure beside an earlier one, both as text; `since` says where that is from.

    `worse_at` and `better_at` are the smallest sizes found where there is more and less of the
    measure now. `sites` are the places that make the difference: new ones, or for a law that is
    better those that are gone.
    """

    measure: str
    since: str
    before: str
    after: str
    change: Change
    worse_at: tuple[tuple[str, int], ...] = ()
    better_at: tuple[tuple[str, int], ...] = ()
    sites: tuple[TermSite, ...] = ()


@dataclass(frozen=True, slots=True)
class LawResult:
    """The outcome of one profile: a law, or the reason why none is given.

    `law` is None exactly when `refusal` is not empty; the raw points are always kept. `law` is
    that of the statements, `measures` those of all else. `measured_to` says to which size of each
    variable; beyond it a law is taken to go on. `timings` are there only where they were asked for.
    `places` are the laws of each place by itself, known only of what was measured in this run.
    `place` is where the scenario is written, `contracts` what it promises of its laws, `changes`
    the laws beside those of a baseline or of another revision.
    """

    scenario: str
    target: str
    database: str
    variables: tuple[str, ...]
    law: Law | None
    points: tuple[Point, ...]
    holdouts: tuple[Holdout, ...] = ()
    terms: tuple[ExplainedTerm, ...] = ()
    refusal: str = ""
    notes: tuple[str, ...] = ()
    scans: tuple[TableScan, ...] = ()
    measures: tuple[MeasureLaw, ...] = ()
    measured_to: tuple[tuple[str, int], ...] = ()
    timings: tuple[Timing, ...] = ()
    place: Frame | None = None
    contracts: tuple[Contract, ...] = ()
    changes: tuple[LawChange, ...] = ()
    places: tuple[PlaceLaw, ...] = ()

    def law_of(self, measure: str) -> Law | None:
        """The law of `statements`, `rows`, `transactions`, `SELECT`, ...; None if none was given.
        Raises KeyError for a measure that no call showed."""
        laws = {one.measure: one.law for one in self.measures}
        return {**laws, "statements": self.law}[measure]
