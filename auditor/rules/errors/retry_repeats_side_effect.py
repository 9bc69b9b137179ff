"""DBA217: what a retry repeats does more than its transaction undoes."""

from __future__ import annotations

from auditor.model.evidence import SourcePath, Step
from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import Effect
from auditor.rule import Example, Hit, Hits, OnFunction, OnOutcomes, Rule
from auditor.rules.errors.changes_below import BAD, GOOD, changes_below
from auditor.rules.errors.kept_changes import kept_changes
from auditor.rules.errors.later_work import LATER, Work, work_after
from auditor.rules.errors.open_transactions import does, transaction_around
from auditor.rules.errors.repeated_bodies import Repeated, is_retried, repeated_bodies
from auditor.rules.errors.retry_repeats_seen import seen
from auditor.rules.errors.separate_transactions import first_of_two
from auditor.rules.places import span_of
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.project import Project
from auditor.source.sites import Site
from auditor.source.traits import DECORATED, HANDLER, SITE


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Changes that are kept, messages, and earlier transactions in what is run again."""
    for body in repeated_bodies(project, module, function):
        sites = tuple(
            site
            for site in project.sites(function)
            if body.region.first <= site.position < body.region.last
            and does(project, site, LATER)
            and not is_retried(project, site)
        )
        work = Work(project, module, function, sites)
        if sites:
            yield from _changes(work, body)
            yield from _messages(work, body)
            yield from _earlier(work, body)


def check_below(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Changes of arguments in a function that something repeated hands its own arguments."""
    sites = tuple(s for s in project.sites(function) if does(project, s, LATER))
    told: set[str] = set()
    work = Work(project, module, function, sites)
    for change, body, repeated in changes_below(project, module, function) if sites else ():
        after = next((s for s in sites if s.position > change.position), None)
        if after is None or change.what in told:
            continue
        told.add(change.what)
        what = (
            f"`{change.what}` is changed in what {body.by} of `{repeated.function.name}` repeats:"
            f" a second try {change.harm}"
        )
        yield _hit(work, body, change.position, what=what, after=after)


def _changes(work: Work, body: Repeated) -> Hits:
    told: set[str] = set()
    for change in kept_changes(work.project, work.module, work.function, body):
        after = work_after(work, change.position, change.event.region)
        if after is None or change.what in told:
            continue
        told.add(change.what)
        what = f"`{change.what}` is changed by what {body.by} repeats: a second try {change.harm}"
        yield _hit(work, body, change.position, what=what, after=after)


def _messages(work: Work, body: Repeated) -> Hits:
    for site in work.project.sites(work.function):
        if not body.region.first <= site.position < body.region.last:
            continue
        if not work.project.effects.of_site(site).get(Effect.MESSAGE):
            continue
        after = work_after(work, site.position, site.region)
        if after is None:
            continue
        way = work.project.effects.way(site, Effect.MESSAGE)
        names = " -> ".join(f"`{step.what}`" for step in way)
        what = f"{names} leaves the process in what {body.by} repeats: a second try does it again"
        yield _hit(work, body, site.position, what=what, after=after)


def _earlier(work: Work, body: Repeated) -> Hits:
    found = first_of_two(work.project, work.module, work.function, body)
    if found is None:
        return
    first, second, line = found
    what = (
        f"`{first.what.replace('*.', '')}` on line {first.at.line} is committed before the"
        f" transaction of line {line} begins, and {body.by} repeats both: a second"
        " try does the first again"
    )
    yield _hit(work, body, first.position, what=what, after=second)


def _hit(work: Work, body: Repeated, position: int, *, what: str, after: Site) -> Hit:
    function = work.function
    at = function.events[position].at
    opened = transaction_around(work.project, work.module, function, after.region)
    is_around = opened is not None and opened.region.first <= position < opened.region.last
    later = f"the {opened.words}" if opened is not None and is_around else f"line {after.at.line}"
    steps = (
        Step(span_of(work.module, at), "done, and not undone by a rollback"),
        Step(span_of(work.module, after.at), f"can fail: `{after.what}`"),
    )
    fields = {"what": what, "later": later, "error": body.errors}
    confidence = Confidence.MEDIUM if after.certain else Confidence.LOW
    return Hit(
        span_of(work.module, at),
        function.qualname,
        fields,
        (SourcePath(steps),),
        confidence=confidence,
    )


_OSLO = """
            from oslo_db import api as oslo_db_api
            from oslo_db.sqlalchemy import enginefacade
"""
RULE = Rule(
    code="DBA217",
    name="retry-repeats-side-effect",
    since="0.2.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="{what}; {later} can still fail with `{error}` after it",
    why=(
        "A retry gives the database a second chance, and a rollback makes it forget the first. What"
        " was done outside of the transaction is forgotten by nobody: a value taken out of an"
        " argument is missing in the second try, an item appended is there twice, a message is sent"
        " twice, and a row that an earlier transaction committed is added again."
    ),
    instead="Work on copies and hand back what was found (`values = dict(values)`); send after the"
    " retried function has returned; put what belongs together into one transaction, or retry each"
    " transaction by itself.",
    checks=(
        OnFunction(check, needs=(SITE, DECORATED | HANDLER)),
        OnFunction(check_below, needs=(SITE,)),
        OnOutcomes(seen),
    ),
    bad=(
        Example(
            "an argument loses a value",
            _OSLO
            + """
            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            @enginefacade.writer
            def create(context, values):
                tags = values.pop("tags")  # expect: DBA217
                context.session.add(Volume(**values))
                for tag in tags:
                    context.session.add(Tag(name=tag))
            """,
        ),
        Example(
            "an attribute and a global",
            _OSLO
            + """
            COUNTS = {"stored": 0}

            class Store:
                @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
                def store(self, context, rows):
                    with enginefacade.writer.using(context) as session:
                        for row in rows:
                            self.stored.append(row.id)  # expect: DBA217
                            COUNTS["stored"] += 1  # expect: DBA217
                            session.add(row)
            """,
        ),
        Example(
            "a message, before a row is written",
            """
            import requests
            from sqlalchemy.exc import OperationalError
            from tenacity import retry, retry_if_exception_type

            @retry(retry=retry_if_exception_type(OperationalError))
            def pay(factory, order):
                requests.post("https://bank.example/payments")  # expect: DBA217
                with factory.begin() as session:
                    session.add(order)
                    session.flush()
            """,
        ),
        Example(
            "two transactions",
            _OSLO
            + """
            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            def create(context, network, ports):
                with enginefacade.writer.using(context) as session:
                    session.add(Network(name=network))  # expect: DBA217
                with enginefacade.writer.using(context) as session:
                    session.add_all(ports)
            """,
        ),
        Example(
            "a loop that tries again",
            """
            from sqlalchemy.exc import OperationalError

            def move(factory, keys):
                moved = []
                for attempt in range(3):
                    try:
                        with factory.begin() as session:
                            for key in keys:
                                moved.append(key)  # expect: DBA217
                                session.execute(statement(key))
                        break
                    except OperationalError:
                        continue
                return moved
            """,
        ),
        *BAD,
    ),
    good=(
        Example(
            "a copy",
            _OSLO
            + """
            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            @enginefacade.writer
            def create(context, values):
                values = dict(values)
                tags = values.pop("tags")
                context.session.add(Volume(**values))
                for tag in tags:
                    context.session.add(Tag(name=tag))
            """,
        ),
        Example(
            "the same when it is done again",
            _OSLO
            + """
            class Store:
                @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
                @enginefacade.writer
                def store(self, context, values):
                    self.stored = []
                    values["state"] = "new"
                    values.pop("tags", None)
                    self.stored.append(values["id"])
                    context.session.add(Volume(**values))
            """,
        ),
        Example(
            "each try gets copies of lists and dicts",
            """
            from neutron_lib.db import api as db_api

            @db_api.retry_db_errors
            def create(context, values):
                tags = values.pop("tags")
                with db_api.CONTEXT_WRITER.using(context):
                    context.session.add(Volume(tags=tags, **values))
            """,
        ),
        Example(
            "keyword arguments are made anew",
            _OSLO
            + """
            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            @enginefacade.writer
            def create(context, **values):
                tags = values.pop("tags")
                context.session.add(Volume(tags=tags, **values))
            """,
        ),
        Example(
            "nothing can fail any more",
            """
            import requests
            from sqlalchemy.exc import OperationalError
            from tenacity import retry, retry_if_exception_type

            @retry(retry=retry_if_exception_type(OperationalError))
            def pay(factory, order, paid):
                with factory.begin() as session:
                    session.add(order)
                    session.flush()
                requests.post("https://bank.example/payments")
                paid.append(order)
            """,
        ),
        Example(
            "a row of the session: the rollback puts it back",
            _OSLO
            + """
            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            @enginefacade.writer
            def use(context, key):
                quota = context.session.get(Quota, key)
                quota.in_use += 1
                quota.users.append(context.user)
            """,
        ),
        Example(
            "the retry repeats on other errors only",
            """
            import requests
            from tenacity import retry, retry_if_exception_type

            @retry(retry=retry_if_exception_type(requests.ConnectionError))
            def pay(factory, order, tried):
                tried.append(order)
                with factory.begin() as session:
                    session.add(order)
            """,
        ),
        Example(
            "one transaction, and a read before it",
            _OSLO
            + """
            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            def create(context, name):
                with enginefacade.reader.using(context) as session:
                    known = session.query(Network).filter_by(name=name).count()
                with enginefacade.writer.using(context) as session:
                    session.add(Network(name=name, number=known))
            """,
        ),
        *GOOD,
    ),
    known_gaps=(
        "changes that a called function makes of anything but the very argument it is handed",
        "of two transactions, only a first one that adds rows in every run is reported",
        "retries by libraries other than oslo.db, neutron-lib, tenacity and backoff",
    ),
    sources=(
        "https://docs.openstack.org/neutron/latest/contributor/internals/retries.html",
        "https://docs.openstack.org/oslo.db/latest/reference/api/oslo_db.api.html",
    ),
)
