"""Where text becomes SQL: statements executed and fragments put into statements."""

from __future__ import annotations

from auditor.model.knowledge import (
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
_RECEIVER = {
    SESSION: "from sqlalchemy.orm import Session\nit = Session()\n",
    CONNECTION: "from sqlalchemy import create_engine\nit = create_engine(url).connect()\n",
    ENGINE: "from sqlalchemy import create_engine\nit = create_engine(url)\n",
    QUERY: "from sqlalchemy.orm import Session\nit = Session().query(Model)\n",
    STATEMENT: "from sqlalchemy import select\nit = select(Model)\n",
    CURSOR: "import sqlite3\nit = sqlite3.connect(path).cursor()\n",
    DRIVER_CONNECTION: "import sqlite3\nit = sqlite3.connect(path)\n",
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


def _function(name: str, source: str, *, takes: Takes, position: int = 0) -> SinkRow:
    module, _, last = name.rpartition(".")
    return SinkRow(
        name, source, takes=takes, position=position,
        samples=(f"from {module} import {last}\n{last}(sql)\n", f"import {module}\n{name}(sql)\n"),
        near_misses=(f"from other import {last}\n{last}(sql)\n", f"{last}(sql)\n"),
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
            for name in ("execute", "executemany", "executescript")
        ),
        *(
            _function(f"{home}.text", _DOC, takes=Takes.STATEMENT)
            for home in ("sqlalchemy", "sqlalchemy.sql", "sqlalchemy.sql.expression")
        ),
        *(
            _function(f"{home}.DDL", _DOC, takes=Takes.STATEMENT)
            for home in ("sqlalchemy", "sqlalchemy.schema")
        ),
        _function("alembic.op.execute", _OPERATIONS, takes=Takes.STATEMENT),
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
            _method(on, name, _DOC, takes=Takes.FRAGMENT, position=position)
            for on in (QUERY, STATEMENT)
            for name, position in (("prefix_with", -1), ("suffix_with", -1), ("with_hint", 1))
        ),
        *(
            _method(on, name, _CHANGES, takes=Takes.FRAGMENT, position=-1, refuses_str=True)
            for on in (QUERY, STATEMENT)
            for name in ("filter", "where", "having", "order_by", "group_by")
        ),
    ),
)

TABLES: tuple[Table, ...] = (_WHOLE, _PIECES)
