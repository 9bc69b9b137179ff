"""C077: Warehouse's page of a user joined all releases of a project to each of its releases.

    git clone https://github.com/pypi/warehouse
    auditor profile benchmarks/replays/c077.py --project warehouse --db postgresql \
        --measure statements --measure rows --against cc2deb3c7f^..cc2deb3c7f
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from warehouse.accounts.models import Email, User
from warehouse.accounts.views import profile
from warehouse.legacy import tables as legacy
from warehouse.packaging.models import Project, Release, Role

import auditor

FUNCTIONS = """
CREATE EXTENSION IF NOT EXISTS citext;
CREATE FUNCTION normalize_pep426_name(text) RETURNS text AS 'SELECT lower($1)' LANGUAGE sql;
CREATE FUNCTION pep440_is_prerelease(text) RETURNS boolean AS 'SELECT false' LANGUAGE sql;
"""


def opened(database: Any) -> Any:
    """The tables that are read, with stand-ins for two functions of the database."""
    engine = sa.create_engine(database.url)
    tables = [one.__table__ for one in (User, Email, Project, Release, Role)]
    with engine.begin() as connection:
        connection.execute(sa.text(FUNCTIONS))
        for table in (legacy.cheesecake_main_indices, *tables):
            table.create(connection)
    return engine


@auditor.scenario(
    sizes={"projects": (1, 2, 4), "releases": (1, 2, 4)},
    prepare=opened,
    target="warehouse.accounts.views:profile",
)
def user_page(engine: Any, projects: int, releases: int) -> Callable[[], Any]:
    """A user of `projects` projects with `releases` releases each, of which the last is shown."""
    auditor.seed(
        engine,
        User.metadata,
        {
            "accounts_user": 1,
            "packages": projects,
            "roles": projects,
            "releases": projects * releases,
        },
        hooks={
            "accounts_user.username": "user",
            "accounts_user.sitemap_bucket": "1",
            "packages.sitemap_bucket": "1",
            "releases.version": lambda row: f"1.{row}",
        },
    )

    def call() -> None:
        with orm.Session(engine) as session:
            user = session.query(User).one()
            request = SimpleNamespace(db=session, matchdict={})
            for project in profile(user, request)["projects"]:
                project.releases[0].summary  # noqa: B018  what the template reads

    return call
