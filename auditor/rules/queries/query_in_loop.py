"""DBA301: a statement for each turn of a loop, directly or through any depth of calls."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import Effect
from auditor.rule import Example, Hits, OnFunction, Rule
from auditor.rules.queries.repeated import hit_of, likeliest, repeated_sites
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.project import Project
from auditor.source.sites import Site

_QUERIES = (Effect.READ, Effect.STATEMENT)


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Sites that issue a query, inside a loop that data makes long; one hit for each line."""

    def query(site: Site) -> Effect | None:
        return likeliest(project, site, _QUERIES)

    for repeated in repeated_sites(project, module, function, query):
        yield hit_of(project, module, function, repeated)


_MODELS = """
            from sqlalchemy.orm import Session
            from app.models import Label, Router
"""
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
    checks=(OnFunction(check),),
    bad=(
        Example(
            "a query for each item",
            _MODELS
            + """
            def routers(session: Session, labels):
                found = []
                for label in labels:
                    found += (
                        session.query(Router)  # expect: DBA301
                        .filter_by(project_id=label.project_id)
                        .all()
                    )
                return found
            """,
        ),
        Example(
            "through calls and across modules",
            """
            # --- app/store.py
            from sqlalchemy import select
            from sqlalchemy.orm import Session
            from app.models import Router

            class Store:
                def __init__(self, session: Session):
                    self.session = session

                def router(self, key):
                    return self._load(key)

                def _load(self, key):
                    return self.session.scalars(select(Router).where(Router.id == key)).first()

            # --- app/sync.py
            from app.store import Store

            def sync(session, keys):
                store = Store(session)
                return [store.router(key).name for key in keys]  # expect: DBA301
            """,
        ),
        Example(
            "one branch of the loop queries",
            _MODELS
            + """
            def names(session: Session, labels):
                for label in labels:
                    if label.shared:
                        yield label.name
                    else:
                        router = session.get(Router, label.router_id)  # expect: DBA301
                        yield router.name
            """,
        ),
        Example(
            "a queue of work",
            _MODELS
            + """
            def tree(session: Session, waiting):
                while waiting:
                    key = waiting.pop()
                    waiting += session.query(Label.id).filter_by(parent=key).all()  # expect: DBA301
            """,
        ),
        Example(
            "handed to map",
            _MODELS
            + """
            def load(session: Session, keys):
                def one(key):
                    return session.get(Router, key)
                return list(map(one, keys))  # expect: DBA301
            """,
        ),
    ),
    good=(
        Example(
            "the query is the iterable",
            _MODELS
            + """
            def names(session: Session):
                return [router.name for router in session.query(Router).all()]
            """,
        ),
        Example(
            "pieces of a long list",
            _MODELS
            + """
            def load(session: Session, ids):
                found = []
                for start in range(0, len(ids), 500):
                    piece = ids[start : start + 500]
                    found += session.query(Router).filter(Router.id.in_(piece)).all()
                return found
            """,
        ),
        Example(
            "attempts, left on success",
            _MODELS
            + """
            def load(session: Session, key, attempts):
                for attempt in range(attempts):
                    try:
                        return session.query(Router).filter_by(id=key).one()
                    except LookupError:
                        continue
            """,
        ),
        Example(
            "attempts that are entered",
            _MODELS
            + """
            def load(session: Session, key):
                for attempt in retries():
                    with attempt:
                        return_value = session.query(Router).filter_by(id=key).one()
                return return_value
            """,
        ),
        Example(
            "pages until there is none",
            _MODELS
            + """
            def every(session: Session):
                last = ""
                while True:
                    rows = session.query(Router).filter(Router.id > last).limit(100).all()
                    if not rows:
                        break
                    yield rows
                    last = rows[-1].id
            """,
        ),
        Example(
            "loaded once, on first need",
            _MODELS
            + """
            def attach(session: Session, labels):
                routers = None
                for label in labels:
                    if routers is None:
                        routers = session.query(Router).all()
                    label.attach(routers)
            """,
        ),
        Example(
            "as many turns as the source says",
            _MODELS
            + """
            def counts(session: Session):
                return {model: session.query(model).count() for model in (Label, Router)}
            """,
        ),
        Example(
            "a dict is no session",
            """
            def names(routers: dict, keys):
                return [routers.get(key) for key in keys]
            """,
        ),
        Example(
            "a function made for later",
            _MODELS
            + """
            def loaders(session: Session, keys):
                return [lambda key=key: session.get(Router, key) for key in keys]
            """,
        ),
    ),
    known_gaps=(
        "what is kept per key (`if key not in known:`) is not reported, though each key queries",
        "of `while` loops only those that take from what they test are looked at",
        "calls through names the scan cannot follow (callbacks, registries, `getattr`) do nothing",
        "lazy loads are DBA302; writes and refreshes are for other rules",
        "a list bounded by the configuration (drivers, back ends) looks like one bounded by data",
        "`session.get` may be answered by the identity map",
    ),
    sources=("https://docs.sqlalchemy.org/en/20/orm/queryguide/relationships.html",),
)
