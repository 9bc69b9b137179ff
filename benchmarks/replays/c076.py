"""C076: Warehouse's list of journals loaded the user of each entry by itself.

    git clone https://github.com/pypi/warehouse
    auditor profile benchmarks/replays/c076.py --project warehouse --db postgresql \
        --against df263ce46f^..df263ce46f
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from warehouse.accounts.models import Email, User
from warehouse.admin.views.journals import journals_list
from warehouse.packaging.models import JournalEntry

import auditor


def opened(database: Any) -> Any:
    """The tables that are read; their names are compared without case."""
    engine = sa.create_engine(database.url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS citext"))
        for table in (User.__table__, Email.__table__, JournalEntry.__table__):
            table.create(connection)
    return engine


@auditor.scenario(
    sizes={"journals": (1, 2, 4, 25, 40), "users": (1, 2, 4)},
    prepare=opened,
    target="warehouse.admin.views.journals:journals_list",
)
def journal_page(engine: Any, journals: int, users: int) -> Callable[[], Any]:
    """The first page of entries, as the template shows it with the name of each user."""
    auditor.seed(
        engine,
        User.metadata,
        {"users": users, "journals": journals},
        hooks={"users.username": lambda row: f"user-{row}", "users.sitemap_bucket": "1"},
    )

    def call() -> None:
        with orm.Session(engine) as session:
            request = SimpleNamespace(db=session, params={})
            for journal in journals_list(request)["journals"]:
                journal.submitted_by.username  # noqa: B018  what the template reads

    return call
