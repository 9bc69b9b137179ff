"""Servers for the sweeps of these tests: one of each kind, started once. Every sweep makes a
database of its own on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.engine import make_url

from auditor.backends.scratch import open_scratch
from auditor.model.errors import DatabaseError


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    yield from _server("postgresql://")


@pytest.fixture(scope="session")
def mariadb() -> Iterator[str]:
    yield from _server("mysql://")


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """The URL for a dialect's name, by indirect parametrisation."""
    name: str = request.param
    return "sqlite://" if name == "sqlite" else str(request.getfixturevalue(name))


def _server(url: str) -> Iterator[str]:
    try:
        with open_scratch(url) as scratch:
            server = make_url(scratch.url).set(database=None)
            yield server.render_as_string(hide_password=False)
    except DatabaseError as error:
        pytest.skip(str(error))
