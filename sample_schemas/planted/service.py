"""The metering service behind oslo.db, and what makes a scenario of a function that works on it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from oslo_db import api

from auditor.growth.scenario import Scenario, scenario
from metering import facade
from planted import rows
from planted.store import ERRORS

retried = api.wrap_db_retry(max_retries=3, retry_on_deadlock=True)
"""Tries a function again after a deadlock, three times at most."""


def bind(database: Any) -> facade.Context:
    """A context of the service on a scratch database, with the tables of the planted programs."""
    context = facade.bind(database.url)
    rows.create_tables(facade.WRITER.get_engine())
    return context


def oslo(act: Callable[[facade.Context], Any]) -> Scenario:
    """The scenario that calls `act` with a context of a few rows."""

    @functools.wraps(act)
    def populate(context: facade.Context) -> Callable[[], Any]:
        with facade.WRITER.using(context) as session:
            rows.fill(session)
        return functools.partial(act, context)

    return scenario(sizes={}, prepare=bind, declared=ERRORS)(populate)
