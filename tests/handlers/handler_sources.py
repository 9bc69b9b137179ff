"""A small schema, and functions put below it: what the table of handlers says of them."""

from __future__ import annotations

import textwrap
from pathlib import Path

from auditor.cli.handlers import table_of
from auditor.engine.context import linked
from auditor.engine.scanning import NO_CACHE
from auditor.model.report import Report
from auditor.model.settings import Settings

MODELS = """
import contextlib

from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Index, Integer, String
from sqlalchemy import delete, exc as sa_exc, insert, select, update
from sqlalchemy.orm import Session, declarative_base, exc as orm_exc
from sqlalchemy.schema import UniqueConstraint
"""
OSLO = """
from oslo_db import exception as db_exc
from oslo_db.sqlalchemy import enginefacade
"""
PLAIN = """
from oslo_db import exception as db_exc
from sqlalchemy import create_engine

ENGINE = create_engine("sqlite://")
"""
TABLES = """
Base = declarative_base()


class Shelf(Base):
    __tablename__ = "shelves"
    id = Column(Integer, primary_key=True)
    name = Column(String, unique=True)


class Book(Base):
    __tablename__ = "books"
    id = Column(Integer, primary_key=True)
    shelf_id = Column(Integer, ForeignKey("shelves.id"))


class Note(Base):
    __tablename__ = "notes"
    id = Column(Integer, primary_key=True)
    text = Column(String)


class Label(Base):
    __tablename__ = "labels"
    __table_args__ = (Index("ix_labels", "book_id", "text", unique=True),)
    id = Column(Integer, primary_key=True)
    book_id = Column(Integer, ForeignKey("books.id", ondelete="CASCADE"))
    text = Column(String)


class Refused(Exception):
    pass

"""


def table(folder: Path, code: str, *, imports: str = OSLO) -> Report:
    """The handlers of `code`, which stands below the schema in a module `shop`."""
    file = folder / "shop.py"
    file.write_text(f"{MODELS}{imports}{TABLES}\n{textwrap.dedent(code)}")
    settings = Settings(cache_dir=NO_CACHE, jobs=1)
    return table_of(linked([file], settings), settings)


def told(folder: Path, code: str, *, imports: str = OSLO) -> list[str]:
    """For each handler its verdict, and each error with its reach and reason."""
    return [
        line
        for row in table(folder, code, imports=imports).handlers
        for line in (
            row.verdict.value,
            *(f"{e.name.rpartition('.')[2]} {e.reach.value}: {e.reason}" for e in row.errors),
        )
    ]
