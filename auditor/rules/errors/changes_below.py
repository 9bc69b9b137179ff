"""Changes that a called function makes of an argument which what repeats its caller hands on.

@wrap_db_retry(retry_on_deadlock=True)
def update(context, key, values):
    return _update(context, key, values)

def _update(context, key, values):
    tags = values.pop("tags", None)       the second try finds none
    context.session.add(...)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from auditor.rule import Example
from auditor.rules.errors.kept_changes import Change, kept_changes
from auditor.rules.errors.repeated_bodies import Repeated, repeated_bodies
from auditor.source.facts import Bind, Expr, FunctionFacts, ModuleFacts, Name
from auditor.source.passing import passed_to
from auditor.source.program import Scope
from auditor.source.project import Project

_CALLERS = 20
_DEPTH = 2
"""Calls between what is repeated and the change at most."""


class Below(NamedTuple):
    """A change of an argument, and what repeats the function that handed it on."""

    change: Change
    body: Repeated
    repeated: Scope


def changes_below(
    project: Project, module: ModuleFacts, function: FunctionFacts
) -> Iterator[Below]:
    """The changes that a function makes of its parameters while a caller of it is repeated."""
    own = Repeated(function.regions[0], "", "")
    parameters = {p.name for p in function.parameters} - {"self", "cls", "context"}
    if any(body.is_function for body in repeated_bodies(project, module, function)):
        return  # told of by itself
    for change in kept_changes(project, module, function, own):
        root = change.what.partition(".")[0].partition("[")[0]
        if root not in parameters or root != change.what:
            continue
        found = _repeated_above(project, function, root, _DEPTH)
        if found is not None:
            yield Below(change, found[1], found[0])


def _repeated_above(
    project: Project, function: FunctionFacts, name: str, depth: int
) -> tuple[Scope, Repeated] | None:
    """The caller, or its caller, that is repeated and hands on what outlives one try of it."""
    for scope, call, passed in passed_to(project, function, name, at_most=_CALLERS):
        if not isinstance(passed, Name) or not _is_handed_on(scope.function, passed, call.region):
            continue
        bodies = repeated_bodies(project, scope.module, scope.function)
        body = next((one for one in bodies if one.is_function), None)
        if body is not None:
            return None if body.copies else (scope, body)
        if depth > 1:
            found = _repeated_above(project, scope.function, passed.name, depth - 1)
            if found is not None:
                return found
    return None


def _is_handed_on(function: FunctionFacts, passed: Expr, region: int) -> bool:
    """Whether what is passed is a parameter as the function got it: never bound again."""
    name = passed.name if isinstance(passed, Name) else ""
    is_got = any(p.name == name and p.kind == "positional" for p in function.parameters)
    is_bound = any(isinstance(e, Bind) and e.target == name for e in function.events)
    is_later = any(r.kind == "lambda" for r in function.ancestors(region))
    return is_got and not is_bound and not is_later


_OSLO = """
        from oslo_db import api as oslo_db_api
        from oslo_db.sqlalchemy import enginefacade
"""
BAD = (
    Example(
        "a function below takes values out of what it is handed",
        _OSLO
        + """
        @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
        @enginefacade.writer
        def update(context, key, values):
            return _update(context, key, values)

        def _update(context, key, values):
            expected = {}
            if "expected_state" in values:
                expected["state"] = values.pop("expected_state")  # expect: DBA217
            context.session.query(Volume).filter_by(id=key, **expected).update(values)
        """,
    ),
    Example(
        "two calls down, in methods",
        _OSLO
        + """
        class Volumes:
            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            def create(self, context, values, tags):
                with enginefacade.writer.using(context):
                    return self._create(context, values=values, tags=tags)

            def _create(self, context, values, tags):
                return self._store(context, values, tags)

            def _store(self, context, values, tags):
                tags.append(values["name"])  # expect: DBA217
                context.session.add(Volume(**values))
                context.session.flush()
        """,
    ),
    Example(
        "in another module",
        """
        # --- app/storing.py
        def store(session, values):
            owner = values.pop("owner", None)  # expect: DBA217
            session.execute(statement(owner, values))

        # --- app/api.py
        from oslo_db import api as oslo_db_api
        from oslo_db.sqlalchemy import enginefacade
        from app import storing

        @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
        def create(context, values):
            with enginefacade.writer.using(context) as session:
                storing.store(session, values)
        """,
    ),
)
GOOD = (
    Example(
        "a copy is handed on, or made below",
        _OSLO
        + """
        @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
        @enginefacade.writer
        def update(context, key, values, tags):
            _update(context, key, dict(values), tags)

        def _update(context, key, values, tags):
            tags = list(tags)
            tags.append(values.pop("tag"))
            context.session.query(Volume).filter_by(id=key).update(values)
        """,
    ),
    Example(
        "each try makes what is handed on",
        _OSLO
        + """
        @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
        @enginefacade.writer
        def update(context, key):
            found = []
            _collect(context, found)
            return found

        def _collect(context, found):
            found.append(1)
            context.session.query(Volume).update({"seen": True})
        """,
    ),
    Example(
        "nothing repeats the caller, or it repeats on copies",
        """
        from neutron_lib.db import api as db_api

        def update(context, values):
            with db_api.CONTEXT_WRITER.using(context):
                _update(context, values)

        @db_api.retry_db_errors
        def create(context, values):
            with db_api.CONTEXT_WRITER.using(context):
                _update(context, values)

        def _update(context, values):
            tags = values.pop("tags")
            context.session.add(Volume(tags=tags, **values))
        """,
    ),
)
