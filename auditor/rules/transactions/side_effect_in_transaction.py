"""DBA401: a message, a wait or a lock inside an open transaction, read in the source or seen to
happen."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.evidence import SourcePath, Step
from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import KEEPING, Effect, Mode
from auditor.rule import Example, Hit, Hits, OnFunction, OnTape, Rule
from auditor.rules.errors.open_transactions import work_within
from auditor.rules.places import span_of
from auditor.rules.transactions.contexts import Open, contexts_around
from auditor.rules.transactions.side_effect_seen import HARMS, LIVE_BAD, LIVE_GOOD, recorded
from auditor.source.facts import (
    Compare,
    Expr,
    FunctionFacts,
    Logic,
    ModuleFacts,
    Name,
    Not,
    walk,
)
from auditor.source.project import Project
from auditor.source.sites import Site
from auditor.source.traits import BLOCK, DECORATED, SITE

_WRITES = frozenset((Effect.WRITE, Effect.FLUSH, Effect.PENDING))
_WAYS = {Effect.MESSAGE: "leaves the process", Effect.SLEEP: "sleeps", Effect.LOCK: "takes a lock"}


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Sites with such an effect in a transaction that the function opens."""
    for site in project.sites(function):
        effects = project.effects.of_site(site)
        effect = next((e for e in HARMS if e in effects), None)
        opened = _transaction(project, module, function, site) if effect is not None else None
        if effect is None or opened is None:
            continue
        way = project.effects.way(site, effect)
        if any(_opens(project, step) or _is_by_argument(project, step) for step in way[1:]):
            continue
        fields = {
            "what": site.what,
            "way": _told(project, way, effect),
            "opened": opened.words,
            "harm": HARMS[effect],
        }
        steps = tuple(Step(span_of(_module(project, s), s.at), s.what) for s in way)
        evidence = (SourcePath((Step(span_of(module, opened.region.at), opened.words), *steps)),)
        certain = all(step.certain for step in way)
        confidence = Confidence.MEDIUM if certain else Confidence.LOW
        yield Hit(
            span_of(module, site.at), function.qualname, fields, evidence, confidence=confidence
        )


def _is_by_argument(project: Project, step: Site) -> bool:
    """Whether an argument decides about a step (`if event == AFTER`): this call may be spared."""
    function = project.program.scopes[step.scope].function
    names = {parameter.name for parameter in function.parameters}
    return any(
        isinstance(part, Name) and part.name in names
        for around in function.ancestors(step.region)
        if around.kind in {"if", "else"}
        for part in _compared(around.expr)
    )


def _compared(test: Expr | None) -> Iterator[Expr]:
    """What a test compares or asks the truth of, as it stands: of `a.b == c` only `c`."""
    for part in walk(test):
        if isinstance(part, Compare):
            yield from (part.left, *part.rights)
        elif isinstance(part, (Logic, Not)):
            yield from part.items if isinstance(part, Logic) else (part.operand,)
    if test is not None:
        yield test


def _module(project: Project, site: Site) -> ModuleFacts:
    return project.program.scopes[site.scope].module


def _transaction(
    project: Project, module: ModuleFacts, function: FunctionFacts, site: Site
) -> Open | None:
    """The innermost transaction at a site, if it keeps what is written in it. A session scope does
    not say whether it is for writing: its block has to write."""
    for found in contexts_around(project, module, function, site.region):
        if found.mode is Mode.SCOPE:
            return found if any(work_within(project, function, found.region, _WRITES)) else None
        if found.mode is not Mode.SESSION_ONLY:
            return found if found.mode in KEEPING else None
    return None


def _opens(project: Project, step: Site) -> bool:
    """Whether a function on the way opens the transaction itself: it is told there."""
    scope = project.program.scopes[step.scope]
    return _transaction(project, scope.module, scope.function, step) is not None


def _told(project: Project, way: tuple[Site, ...], effect: Effect) -> str:
    """`, which calls a -> b (x.py:3)`: how the call gets to where it happens."""
    if len(way) == 1:
        return f" {_WAYS[effect]}"
    last = way[-1]
    names = " -> ".join(f"`{step.what}`" for step in way[1:])
    return f" gets to {names} ({_module(project, last).path}:{last.at.line}), which {_WAYS[effect]}"


_OWN_SCOPE = """
import contextlib
import requests
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

Session = sessionmaker(create_engine("sqlite://"))


@contextlib.contextmanager
def session_scope():
    session = Session()
    try:
        yield session
        session.commit()
    finally:
        session.close()


def publish(order):
    with session_scope() as session:
        session.{work}
        requests.post("https://shop.example/orders"){mark}
"""

RULE = Rule(
    code="DBA401",
    name="side-effect-in-transaction",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="`{what}`{way} inside {opened}: {harm}",
    why=(
        "What leaves the process inside a transaction is out before the commit: its receiver may"
        " ask for rows that are not there yet, and if the transaction is rolled back, or retried"
        " after a deadlock, the message is wrong or sent twice. Waiting inside a transaction holds"
        " row locks and a connection of the pool for that long, which is what deadlocks and"
        " exhausted pools are made of."
    ),
    instead="Collect inside the transaction what is to be sent, and send it after the block. With"
    " neutron-lib: publish PRECOMMIT_* events inside, AFTER_* events outside.",
    checks=(OnFunction(check, needs=(SITE, BLOCK | DECORATED)), OnTape(recorded)),
    bad=(
        Example(
            "a context manager of the program's own that commits",
            _OWN_SCOPE.format(work="add(order)", mark="  # expect: DBA401"),
        ),
        Example(
            "a request to another service",
            """
            import requests

            def create(session, order):
                with session.begin():
                    session.add(order)
                    requests.post(BILLING, json=order.as_dict())  # expect: DBA401
            """,
        ),
        Example(
            "an RPC behind a method",
            """
            import oslo_messaging
            from oslo_db.sqlalchemy import enginefacade

            class Notifier:
                def __init__(self, transport, target):
                    self.client = oslo_messaging.get_rpc_client(transport, target)

                def port_updated(self, context, port):
                    cctxt = self.client.prepare(fanout=True)
                    cctxt.cast(context, "port_update", port=port)

            class Plugin:
                def __init__(self, transport, target):
                    self.notifier = Notifier(transport, target)

                @enginefacade.writer
                def update_port(self, context, port):
                    context.session.add(port)
                    self.notifier.port_updated(context, port)  # expect: DBA401
            """,
        ),
        Example(
            "an event that tells of a stored change",
            """
            from neutron_lib.callbacks import events, registry, resources
            from neutron_lib.db import api as db_api

            def delete_segment(context, segment):
                with db_api.CONTEXT_WRITER.using(context):
                    context.session.delete(segment)
                    registry.publish(resources.SEGMENT, events.AFTER_DELETE, None)  # expect: DBA401
            """,
        ),
        Example(
            "a wait and a lock",
            """
            import time
            from oslo_concurrency import lockutils
            from oslo_db.sqlalchemy import enginefacade

            def allocate(context, pool):
                with enginefacade.writer.using(context) as session:
                    session.add(pool)
                    time.sleep(1)  # expect: DBA401
                    with lockutils.lock(pool.name):  # expect: DBA401
                        pool.take()
            """,
        ),
        *LIVE_BAD,
    ),
    good=(
        Example(
            "a session scope that only reads",
            _OWN_SCOPE.format(work="get(Order, order)", mark=""),
        ),
        Example(
            "after the block",
            """
            import requests

            def create(session, order):
                with session.begin():
                    session.add(order)
                requests.post(BILLING, json=order.as_dict())
            """,
        ),
        Example(
            "an event that is meant to be inside",
            """
            from neutron_lib.callbacks import events, registry, resources
            from neutron_lib.db import api as db_api

            def delete_segment(context, segment):
                with db_api.CONTEXT_WRITER.using(context):
                    registry.publish(resources.SEGMENT, events.PRECOMMIT_DELETE, None)
                    context.session.delete(segment)
                registry.publish(resources.SEGMENT, events.AFTER_DELETE, None)
            """,
        ),
        Example(
            "a lock around the transaction",
            """
            from oslo_concurrency import lockutils
            from oslo_db.sqlalchemy import enginefacade

            def allocate(context, pool):
                with lockutils.lock(pool.name):
                    with enginefacade.writer.using(context) as session:
                        session.add(pool)
            """,
        ),
        Example(
            "sent later, by whom the function is handed to",
            """
            import requests

            def create(session, order, later):
                with session.begin():
                    session.add(order)
                    later.append(lambda: requests.post(BILLING, json=order.as_dict()))
            """,
        ),
        Example(
            "a session that is open, with no transaction",
            """
            import requests
            from sqlalchemy.orm import Session

            def prices(engine):
                with Session(engine) as session:
                    return requests.get(PRICES).json()
            """,
        ),
        Example(
            "an argument decides, and here says no",
            """
            import requests

            def call(name, order):
                if name == "created":
                    requests.post(BILLING, json=order.as_dict())

            def create(session, order):
                with session.begin():
                    session.add(order)
                    call("creating", order)
                call("created", order)
            """,
        ),
        Example(
            "no request, a dict",
            """
            def create(session, requests, order):
                with session.begin():
                    order.number = requests.get("number")
                    session.add(order)
            """,
        ),
        *LIVE_GOOD,
    ),
    known_gaps=(
        "recorded: a transaction that only reads and that its first statement began is advice",
        "calls that the scan cannot follow from the transaction to what is sent",
        "tasks queued with Celery and the like (`task.delay()`), and e-mail",
        "locks taken by a decorator, and locks of `threading`",
        "events of neutron-lib whose name is computed, and BEFORE_* events",
        "readers: waiting in one holds a connection too",
    ),
    sources=(
        "https://docs.openstack.org/neutron-lib/latest/contributor/callbacks.html",
        "https://docs.sqlalchemy.org/en/20/orm/session_basics.html#when-do-i-construct-a-session-when-do-i-commit-it-and-when-do-i-close-it",
    ),
)
