"""Where text becomes SQL: statements executed and fragments put into statements."""

from __future__ import annotations

from auditor.model.knowledge import (
    COLUMN,
    CONNECTION,
    CURSOR,
    DRIVER_CONNECTION,
    ENGINE,
    QUERY,
    SESSION,
    STATEMENT,
    SinkRow,
    Table,
    Takes,
)

_DOC = "https://docs.sqlalchemy.org/en/20/core/sqlelement.html"
_CHANGES = "https://docs.sqlalchemy.org/en/20/changelog/migration_20.html"
_DBAPI = "https://peps.python.org/pep-0249/"
_OPERATIONS = "https://alembic.sqlalchemy.org/en/latest/ops.html"
_CONSTRAINTS = "https://docs.sqlalchemy.org/en/20/core/constraints.html"
_PANDAS = "https://pandas.pydata.org/docs/reference/api/pandas.read_sql.html"
_PSYCOPG_SQL = "https://www.psycopg.org/psycopg3/docs/api/sql.html"
_ASYNCPG = "https://magicstack.github.io/asyncpg/current/api/index.html"
_PSYCOPG2 = "https://www.psycopg.org/docs/extras.html"
_RECEIVER = {
    SESSION: "from sqlalchemy.orm import Session\nit = Session()\n",
    CONNECTION: "from sqlalchemy import create_engine\nit = create_engine(url).connect()\n",
    ENGINE: "from sqlalchemy import create_engine\nit = create_engine(url)\n",
    QUERY: "from sqlalchemy.orm import Session\nit = Session().query(Model)\n",
    STATEMENT: "from sqlalchemy import select\nit = select(Model)\n",
    CURSOR: "import sqlite3\nit = sqlite3.connect(path).cursor()\n",
    DRIVER_CONNECTION: "import sqlite3\nit = sqlite3.connect(path)\n",
    COLUMN: (
        "from sqlalchemy import Column, Integer\nfrom sqlalchemy.orm import DeclarativeBase\n"
        "class Base(DeclarativeBase):\n    pass\n"
        "class Model(Base):\n    __tablename__ = 'models'\n    size = Column(Integer)\n"
        "it = Model.size\n"
    ),
}


def _method(
    on: str, name: str, source: str, *, refuses_str: bool = False,
    takes: Takes = Takes.STATEMENT, position: int = 0,
) -> SinkRow:  # fmt: skip
    return SinkRow(
        name, source, on, takes, position, refuses_str=refuses_str,
        samples=(f"{_RECEIVER[on]}it.{name}(sql)\n",),
        near_misses=(f"it = Runner()\nit.{name}(sql)\n",),
    )  # fmt: skip


def _function(
    name: str, source: str, *, takes: Takes, position: int = 0, keyword: str = "",
    only_with: str = "",
) -> SinkRow:  # fmt: skip
    module, _, last = name.rpartition(".")
    given = f"sql, {only_with}=True" if only_with else "sql"
    return SinkRow(
        name, source, takes=takes, position=position, keyword=keyword, only_with=only_with,
        samples=(
            f"from {module} import {last}\n{last}({given})\n",
            f"import {module}\n{name}({given})\n",
        ),
        near_misses=(f"from other import {last}\n{last}({given})\n", f"{last}({given})\n"),
    )  # fmt: skip


_EXECUTED = ("execute", "scalar", "scalars", "stream", "stream_scalars")
_WHOLE = Table(
    "statements executed",
    (
        *(
            _method(on, name, _CHANGES, refuses_str=True)
            for on in (SESSION, CONNECTION, ENGINE)
            for name in _EXECUTED
        ),
        _method(CONNECTION, "exec_driver_sql", _CHANGES),
        *(
            _method(on, name, _DBAPI)
            for on in (CURSOR, DRIVER_CONNECTION)
            for name in ("execute", "executemany", "executescript", "mogrify")
        ),
        *(
            _method(DRIVER_CONNECTION, name, _ASYNCPG)
            for name in (
                "fetch",
                "fetchrow",
                "fetchval",
                "fetch_all",
                "fetch_one",
                "fetch_val",
                "exec_driver_sql",
                "iterate",
                "raw",
            )
        ),
        *(
            _function(f"{home}.SQL", _PSYCOPG_SQL, takes=Takes.FRAGMENT)
            for home in ("psycopg.sql", "psycopg2.sql")
        ),
        *(
            _function(f"{home}.text", _DOC, takes=Takes.STATEMENT, keyword="text")
            for home in ("sqlalchemy", "sqlalchemy.sql", "sqlalchemy.sql.expression")
        ),
        *(
            _function(f"{home}.DDL", _DOC, takes=Takes.STATEMENT)
            for home in ("sqlalchemy", "sqlalchemy.schema")
        ),
        _function("alembic.op.execute", _OPERATIONS, takes=Takes.STATEMENT, keyword="sqltext"),
        *(
            _function(f"pandas.{name}", _PANDAS, takes=Takes.STATEMENT, keyword="sql")
            for name in ("read_sql", "read_sql_query")
        ),
        *(
            _function(f"psycopg2.extras.{name}", _PSYCOPG2, takes=Takes.STATEMENT, position=1)
            for name in ("execute_batch", "execute_values")
        ),
        _method(QUERY, "from_statement", _CHANGES, refuses_str=True),
        _method(STATEMENT, "from_statement", _CHANGES, refuses_str=True),
    ),
)
_PIECES = Table(
    "fragments of statements",
    (
        *(
            _function(f"{home}.literal_column", _DOC, takes=Takes.FRAGMENT)
            for home in ("sqlalchemy", "sqlalchemy.sql", "sqlalchemy.sql.expression")
        ),
        *(
            _function(f"{home}.column", _DOC, takes=Takes.FRAGMENT, only_with="is_literal")
            for home in ("sqlalchemy", "sqlalchemy.sql", "sqlalchemy.sql.expression")
        ),
        *(
            _function(f"{home}.{name}", _CONSTRAINTS, takes=Takes.FRAGMENT, keyword="sqltext")
            for home in ("sqlalchemy", "sqlalchemy.schema")
            for name in ("CheckConstraint", "Computed")
        ),
        _function(
            "alembic.op.create_check_constraint",
            _OPERATIONS,
            takes=Takes.FRAGMENT,
            position=2,
            keyword="condition",
        ),
        *(_method(COLUMN, name, _DOC, takes=Takes.FRAGMENT) for name in ("op", "bool_op")),
        *(
            _method(on, name, _DOC, takes=Takes.FRAGMENT, position=position)
            for on in (QUERY, STATEMENT)
            for name, position in (
                ("prefix_with", -1),
                ("suffix_with", -1),
                ("with_hint", 1),
                ("with_statement_hint", 0),
            )
        ),
        *(
            _method(on, name, _CHANGES, takes=Takes.FRAGMENT, position=-1, refuses_str=True)
            for on in (QUERY, STATEMENT)
            for name in ("filter", "where", "having")
        ),
        *(
            _method(on, name, _CHANGES, takes=Takes.FRAGMENT, position=-1)
            for on in (QUERY, STATEMENT)
            for name in ("order_by", "group_by")
        ),
    ),
)

TABLES: tuple[Table, ...] = (_WHOLE, _PIECES)
