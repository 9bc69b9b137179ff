"""DBA301: a statement for each turn of a loop, directly or through any depth of calls."""

from __future__ import annotations

from dataclasses import replace

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import Effect
from auditor.model.tape import CauseKind, Entry, Tape
from auditor.rule import Hit, Hits, OnFunction, OnTape, Rule
from auditor.rules.fixes import class_or_table, one_query
from auditor.rules.outside import is_of_catalogue
from auditor.rules.queries.called_in_loops import per_turn_hits
from auditor.rules.queries.estimated import estimated
from auditor.rules.queries.loop_examples import BAD, GOOD
from auditor.rules.queries.needed_writes import asks_tables, may_fail_alone
from auditor.rules.queries.repeated import NEEDS, Repeated, hit_of, likeliest, repeated_sites
from auditor.rules.queries.repeated_read import is_same_each_time, is_told
from auditor.rules.queries.run_once import lowered
from auditor.rules.queries.unseen import READ, unseen_calls, unseen_hit
from auditor.rules.repetitions import Repetition, repetitions
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.project import Project
from auditor.source.sites import Site
from auditor.sql.shape import brief
from auditor.sql.verbs import READS

_QUERIES = (Effect.READ, Effect.STATEMENT)
_CHANGES = frozenset((Effect.WRITE, Effect.PENDING, Effect.FLUSH, Effect.COMMIT))
_DEEP = 2
"""Calls from the loop to the query, at most, for a turn that also changes the database."""
_ASKING = READS | {"WITH", "CALL"}


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Sites that issue a query, inside a loop that data makes long; one hit for each line."""
    yield from lowered(project, module, _hits(project, module, function))


def _hits(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:

    def query(site: Site) -> Effect | None:
        return likeliest(project, site, _QUERIES)

    for repeated in repeated_sites(project, module, function, query):
        hit = hit_of(project, module, function, repeated)
        is_low = _is_of_one(project, function, repeated) or asks_tables(function, repeated)
        sure = Confidence.LOW if is_low else hit.confidence
        evidence = (*hit.evidence, *estimated(project, function))
        yield replace(hit, evidence=evidence, confidence=sure)
    for unseen in unseen_calls(project, module, function, READ):
        yield unseen_hit(module, function, unseen, does="issues a query")
    yield from per_turn_hits(project, module, function, _QUERIES)


def _is_of_one(project: Project, function: FunctionFacts, repeated: Repeated) -> bool:
    """Whether the turn calls a procedure on its item, which changes the database and queries deep
    inside, on the way, or which may fail by itself: asking for many at once would take another
    procedure."""
    site = repeated.site
    if site.callee < 0 or _CHANGES.isdisjoint(project.effects.summaries[site.callee]):
        return False
    if may_fail_alone(function, repeated):
        return True
    return len(project.effects.way(site, repeated.effect)) > _DEEP


def check_tape(tape: Tape, project: Project) -> Hits:
    """Queries that the program wrote itself and that a loop repeated; one that asks the same each
    time, with no write in between, is told by DBA313."""

    def wanted(entry: Entry) -> bool:
        return _is_query(entry) and not (is_same_each_time(entry) and is_told(project, entry))

    for found in repetitions(tape, project, wanted):
        fields = {
            "shape": brief(found.first.shape, 70),
            "count": found.count,
            "turns": found.turns,
            "fix": _fix(project, found),
        }
        yield Hit(
            found.span,
            found.emits.function,
            fields,
            found.evidence,
            confidence=found.confidence,
            message="`{shape}` was {count}, {turns}; {fix}",
        )


def _is_query(entry: Entry) -> bool:
    is_asked = entry.cause.kind is CauseKind.EXPLICIT and entry.verb in _ASKING
    return is_asked and not is_of_catalogue(entry)


def _fix(project: Project, found: Repetition) -> str:
    entry = found.first
    if is_same_each_time(entry):
        return "the values are the same each time: read it once, before the loop"
    if "?" not in entry.shape:
        return (
            "it asks the same each time: run it once before the loop, and keep what the loop"
            " changes in Python"
        )
    if found.climbs:
        return (
            "load the whole chain in one query, a recursive CTE"
            f" (`{class_or_table(project, entry)}`), or level by level with IN"
        )
    return one_query(project, entry)


RULE = Rule(
    code="DBA301",
    name="query-in-loop",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="`{chain}` issues a query {turns} of the loop on line {loop}{assumes}",
    why=(
        "Every turn waits for the network and the server once more: a thousand items cost"
        " a thousand round trips where one statement would do. Tests with three rows never show it."
    ),
    instead="one query before the loop for all items (`.in_(ids)`, a join, `selectinload`), kept in"
    " a dict by key; in pieces of a few hundred when the list is very long.",
    checks=(OnFunction(check, needs=NEEDS), OnTape(check_tape)),
    bad=BAD,
    good=GOOD,
    known_gaps=(
        "what is kept per key (`if key not in known:`) is not reported, though each key queries",
        "of `while` loops only those that take from what they test are looked at",
        "calls that cannot be followed count by their names; callbacks and `getattr` do nothing",
        "lazy loads are DBA302; writes and refreshes are for other rules",
        "low confidence in migrations, and for a turn that writes and queries deep inside",
        "a list bounded by the configuration (drivers, back ends) looks like one bounded by data",
        "`session.get` may be answered by the identity map",
    ),
    sources=("https://docs.sqlalchemy.org/en/20/orm/queryguide/relationships.html",),
)
