"""DBA320: a law of growth breaks the contract of its scenario, or is worse than it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from auditor.model.contract import (
    KINDS,
    MEASURES,
    Breach,
    law_of_measure,
    standing_of,
)
from auditor.model.evidence import Growth
from auditor.model.finding import Confidence, Severity
from auditor.model.law import Change, Contract, LawChange, LawResult, Promise, Term, TermSite
from auditor.model.law_expression import law_written
from auditor.model.law_words import change_in_words, sites_in_words, sizes_in_words
from auditor.model.span import Frame, Span
from auditor.rule import Example, Hit, Hits, OnLaws, Rule

_NOWHERE = Frame("<unknown>", 0, "<unknown>")
_FAILING = (Change.WORSE, Change.MIXED)


def check(laws: tuple[LawResult, ...]) -> Hits:
    """Each contract that is broken, and each law that is worse than it was."""
    for result in laws:
        for contract in result.contracts:
            standing = standing_of(contract, result)
            if isinstance(standing, Breach):
                yield _of_breach(result, contract, standing)
        yield from (_of_change(result, one) for one in result.changes if one.change in _FAILING)


def _of_breach(result: LawResult, contract: Contract, breach: Breach) -> Hit:
    sites = tuple(_sites_of(result, contract.measure, breach.terms))
    because = f", because of {sites_in_words(sites)}" if sites else ""
    return _hit(result, f"{_broken(result, contract, breach)}{because}", sites, breach.terms)


def _broken(result: LawResult, contract: Contract, breach: Breach) -> str:
    law = law_of_measure(result, contract.measure)
    what = contract.measure if contract.measure not in KINDS else f"{contract.measure} statements"
    if contract.promise is Promise.GROWS:
        terms = " and ".join(f"`{term}`" for term in breach.terms)
        return f"{what} are `{law}`, and {terms} breaks its contract `{contract.text}`"
    sizes = dict(breach.at)
    said = f"its contract is at most `{contract.text}` {what}"
    bound = law_written(contract.text).at(sizes)
    at = f" at {sizes_in_words(breach.at)}" if sizes else ""
    if law is None:
        return f"{said}, and more than {bound} were measured{at}"
    return f"{said}, and the law `{law}` passes it{at}: {law.at(sizes)}, not {bound}"


def _of_change(result: LawResult, change: LawChange) -> Hit:
    of = "" if change.measure == MEASURES[0] else f"{change.measure} "
    words = change_in_words(change).removeprefix(of)
    said = f"{change.measure} since {change.since}: {words}"
    is_proven = bool(change.worse_at)
    return _hit(
        result,
        said,
        change.sites,
        (),
        confidence=None if is_proven else Confidence.MEDIUM,
        severity=None if is_proven else Severity.WARNING,
    )


def _hit(
    result: LawResult,
    said: str,
    sites: tuple[TermSite, ...],
    terms: Iterable[Term],
    *,
    confidence: Confidence | None = None,
    severity: Severity | None = None,
) -> Hit:
    frame = sites[0].frame if sites else result.place or _NOWHERE
    shown = [str(term) for term in terms] or [site.share for site in sites]
    return Hit(
        Span(frame.path, frame.line),
        frame.function,
        {"scenario": result.scenario, "database": result.database, "said": said},
        evidence=tuple(
            Growth(result.scenario, result.database, str(result.law), term)
            for term in dict.fromkeys(shown)
            if result.law is not None
        ),
        confidence=confidence,
        severity=severity,
    )


def _sites_of(result: LawResult, measure: str, terms: Iterable[Term]) -> Iterator[TermSite]:
    """The places of terms; only statements, and of a kind those of the kind, have places."""
    if measure not in (MEASURES[0], *KINDS):
        return
    factors = [term.factors for term in terms]
    sites = (
        one
        for explained in result.terms
        if explained.term.factors in factors
        for one in explained.sites
    )
    yield from (one for one in sites if measure == MEASURES[0] or one.shape.startswith(measure))


_LIBRARY = """
            import sqlalchemy as sa
            from sqlalchemy import orm
            from sqlalchemy.pool import NullPool

            import auditor

            Base = orm.declarative_base()

            class Shelf(Base):
                __tablename__ = "shelves"
                id = sa.Column(sa.Integer, primary_key=True)
                books = orm.relationship("Book")

            class Book(Base):
                __tablename__ = "books"
                id = sa.Column(sa.Integer, primary_key=True)
                shelf_id = sa.Column(sa.ForeignKey("shelves.id"), nullable=False)

            def filled(database, shelves):
                engine = sa.create_engine(database.url, poolclass=NullPool, future=True)
                Base.metadata.create_all(engine)
                with orm.Session(engine) as session:
                    session.add_all(Shelf(books=[Book()]) for _ in range(shelves))
                    session.commit()
                return engine
"""

RULE = Rule(
    code="DBA320",
    name="growth",
    since="0.2.0",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    message="`{scenario}` on {database}: {said}",
    why=(
        "The scenario promises how its work grows, or a baseline or another revision says how it"
        " grew, and the exact law that was measured does not keep to it. With enough rows the"
        " promise is broken by any amount; the law says from which size on."
    ),
    instead="load at the named line what is read there for each row (`selectinload`, a join, one"
    " query with IN). If the growth is meant, change the contract or write the baseline anew, so"
    " that the reviewer sees it.",
    checks=(OnLaws(check),),
    bad=(
        Example(
            "a lazy load for each row, against the contract",
            _LIBRARY
            + """
            @auditor.scenario(sizes={"shelves": (1, 2, 4)}, grows="constant in shelves")
            def lazily(database, shelves):
                engine = filled(database, shelves)

                def call():
                    with orm.Session(engine) as session:
                        shelves = session.query(Shelf).all()
                        for shelf in shelves:
                            len(shelf.books)  # expect: DBA320

                return call
            """,
        ),
        Example(
            "a bound that is passed from some size on",
            _LIBRARY
            + """
            @auditor.scenario(sizes={"shelves": (1, 2, 4)}, at_most="1 + 1/2*shelves + 9")
            def lazily(database, shelves):
                engine = filled(database, shelves)

                def call():
                    with orm.Session(engine) as session:
                        shelves = session.query(Shelf).all()
                        for shelf in shelves:
                            len(shelf.books)  # expect: DBA320

                return call
            """,
        ),
    ),
    good=(
        Example(
            "the same with one more query for all of them",
            _LIBRARY
            + """
            @auditor.scenario(
                sizes={"shelves": (1, 2, 4)}, grows="constant in shelves", at_most=2
            )
            def eagerly(database, shelves):
                engine = filled(database, shelves)

                def call():
                    with orm.Session(engine) as session:
                        shelves = session.query(Shelf).options(orm.selectinload(Shelf.books))
                        for shelf in shelves:
                            len(shelf.books)

                return call
            """,
        ),
        Example(
            "a bound that holds at all sizes",
            _LIBRARY
            + """
            @auditor.scenario(sizes={"shelves": (1, 2, 4)}, at_most="1 + shelves")
            def lazily(database, shelves):
                engine = filled(database, shelves)

                def call():
                    with orm.Session(engine) as session:
                        shelves = session.query(Shelf).all()
                        for shelf in shelves:
                            len(shelf.books)

                return call
            """,
        ),
    ),
    known_gaps=(
        "a size that the scenario does not have, or of which it has one value only",
        "rows, transactions and bytes have no place: the finding is at the scenario",
        "time: it is reported where it is asked for, and never judged",
    ),
    sources=("docs/adr/0004-exact-laws.md", "docs/gate.md"),
)
