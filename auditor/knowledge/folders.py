"""What tells by the folder of a module alone that it runs once, with nobody waiting for it.

A row says in which folders, and shows paths that it means (`samples`) and does not (`near_misses`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FolderRow:
    """Folders, by what modules anywhere below them hold."""

    holds: str
    folders: frozenset[str]
    source: str
    samples: tuple[str, ...]
    near_misses: tuple[str, ...]

    def is_meant(self, path: str) -> bool:
        """Whether a module at this path, its folders parted by `/`, stands below one of them."""
        return not self.folders.isdisjoint(path.split("/")[:-1])


RUN_ONCE: tuple[FolderRow, ...] = (
    FolderRow(
        "steps of schema migrations, and what they share",
        frozenset(("migrations", "alembic", "alembic_migrations")),
        "https://alembic.sqlalchemy.org/en/latest/tutorial.html",
        ("app/migrations/versions/0001_labels.py", "alembic/env.py"),
        ("app/migrations.py", "app/alembic_models/labels.py"),
    ),
    FolderRow(
        "commands that somebody types",
        frozenset(("cmd", "cli")),
        "https://flask.palletsprojects.com/en/stable/cli/",
        ("app/cmd/sync.py", "cli/users.py"),
        ("app/cmd.py", "app/clients/users.py"),
    ),
)
