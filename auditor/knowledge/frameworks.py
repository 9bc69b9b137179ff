"""Libraries on top of SQLAlchemy: Flask-SQLAlchemy, SQLModel, Alembic."""

from __future__ import annotations

from auditor.model.knowledge import (
    CONNECTION,
    MAPPED_CLASS,
    QUERY,
    ROW,
    SCALARS,
    SESSION,
    STATEMENT,
    CallableRow,
    Effect,
    How,
    Of,
    ReceiverRow,
    Table,
)

_FLASK = "https://flask-sqlalchemy.readthedocs.io/en/stable/api/"
_SQLMODEL = "https://sqlmodel.tiangolo.com/tutorial/select/"
_ALEMBIC = "https://alembic.sqlalchemy.org/en/latest/ops.html"
FLASK_SQLALCHEMY = "flask-sqlalchemy"
_DB = "from flask_sqlalchemy import SQLAlchemy\ndb = SQLAlchemy()\n"
_MAPPED = "class User(db.Model):\n    __tablename__ = 'user'\n"

_FLASK_SQLALCHEMY = Table(
    "flask-sqlalchemy",
    (
        ReceiverRow(
            "flask_sqlalchemy.SQLAlchemy", FLASK_SQLALCHEMY, How.CLASS, _FLASK,
            samples=("from flask_sqlalchemy import SQLAlchemy\nit = SQLAlchemy()\n",),
            near_misses=("from other import SQLAlchemy\nit = SQLAlchemy()\n",),
        ),
        ReceiverRow(
            "session", SESSION, How.ATTRIBUTE, _FLASK, FLASK_SQLALCHEMY,
            samples=(_DB + "it = db.session\n",),
            near_misses=("import app\nit = app.session\n",),
        ),
        ReceiverRow(
            "db.session", SESSION, How.NAME, _FLASK,
            samples=("from app import db\nit = db.session\n",),
            near_misses=("from app import web\nit = web.session\n",),
        ),
        ReceiverRow(
            "query", QUERY, How.ATTRIBUTE, _FLASK, MAPPED_CLASS,
            samples=(_DB + _MAPPED + "it = User.query\n",),
            near_misses=("class User:\n    query = ''\nit = User.query\n",),
        ),
        *(
            CallableRow(
                name, _FLASK, QUERY, (Effect.READ,), given, Of.RECEIVER,
                samples=(f"{_DB}{_MAPPED}User.query.{name}(1)\n",),
                near_misses=(f"query = []\nquery.{name}(1)\n",),
            )
            for name, given in (("first_or_404", ROW), ("get_or_404", ROW), ("one_or_404", ROW))
        ),
        *(
            CallableRow(
                name, _FLASK, FLASK_SQLALCHEMY, (Effect.READ,), ROW, Of.FIRST,
                samples=(f"{_DB}db.{name}(User, 1)\n",),
                near_misses=(f"import db\ndb.{name}(User, 1)\n",),
            )
            for name in ("get_or_404", "first_or_404", "one_or_404")
        ),
    ),
)  # fmt: skip

_SQLMODEL_IS = "from sqlmodel import Session\nsession = Session(engine)\n"
_SQLMODEL_TABLE = Table(
    "sqlmodel",
    (
        ReceiverRow(
            "sqlmodel.Session", SESSION, How.CLASS, _SQLMODEL,
            samples=("from sqlmodel import Session\nit = Session(engine)\n",),
            near_misses=("from requests import Session\nit = Session()\n",),
        ),
        ReceiverRow(
            "sqlmodel.ext.asyncio.session.AsyncSession", SESSION, How.CLASS, _SQLMODEL,
            samples=(
                "from sqlmodel.ext.asyncio.session import AsyncSession\nit = AsyncSession(e)\n",
            ),
            near_misses=("from aiohttp import AsyncSession\nit = AsyncSession(e)\n",),
        ),
        CallableRow(
            "exec", _SQLMODEL, SESSION, (Effect.STATEMENT,), SCALARS, Of.FIRST,
            samples=(_SQLMODEL_IS + "session.exec(it)\n",),
            near_misses=("session = Shell()\nsession.exec(it)\n",),
        ),
        *(
            CallableRow(
                f"sqlmodel.{name}", _SQLMODEL, returns=STATEMENT, of=Of.FIRST,
                samples=(f"from sqlmodel import {name}\n{name}(it)\n",),
                near_misses=(f"from other import {name}\n{name}(it)\n",),
            )
            for name in ("select", "update", "delete", "text")
        ),
    ),
)  # fmt: skip

_ALEMBIC_TABLE = Table(
    "alembic",
    (
        CallableRow(
            "alembic.op.get_bind", _ALEMBIC, returns=CONNECTION,
            samples=("from alembic import op\nop.get_bind()\n",),
            near_misses=("import op\nop.get_bind()\n",),
        ),
        *(
            CallableRow(
                f"alembic.op.{name}", _ALEMBIC, effects=(Effect.WRITE,),
                samples=(f"from alembic import op\nop.{name}(it)\n",),
                near_misses=(f"import op\nop.{name}(it)\n",),
            )
            for name in ("execute", "bulk_insert")
        ),
    ),
)  # fmt: skip

TABLES: tuple[Table, ...] = (_FLASK_SQLALCHEMY, _SQLMODEL_TABLE, _ALEMBIC_TABLE)
