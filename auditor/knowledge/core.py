"""SQLAlchemy Core: engines, connections, statements; DB-API connections and cursors."""

from __future__ import annotations

from auditor.model.knowledge import (
    CONNECTION,
    CURSOR,
    DRIVER_CONNECTION,
    ENGINE,
    RESULT,
    SCALARS,
    STATEMENT,
    TUPLE,
    TUPLES,
    CallableRow,
    ContextRow,
    Effect,
    How,
    Mode,
    Of,
    ReceiverRow,
    Table,
)

_DOC = "https://docs.sqlalchemy.org/en/20/core/connections.html"
_SELECT_DOC = "https://docs.sqlalchemy.org/en/20/core/selectable.html"
_DBAPI = "https://peps.python.org/pep-0249/"
_CONNECTION_IS = "from sqlalchemy import Connection\ndef f(conn: Connection):\n    "
_ENGINE_IS = "from sqlalchemy import create_engine\nengine = create_engine(url)\n"
_STATEMENT_IS = "from sqlalchemy import select\nfrom app.models import Model\nit = select(Model)\n"
_CURSOR_IS = "import sqlite3\ncursor = sqlite3.connect(path).cursor()\n"


def _on_connection(
    name: str, *effects: Effect, returns: str = "", of: Of = Of.FIRST
) -> CallableRow:
    return CallableRow(
        name, _DOC, CONNECTION, effects, returns, of,
        samples=(f"{_CONNECTION_IS}conn.{name}(it)\n",),
        near_misses=(f"def f(conn):\n    conn.{name}(it)\n",),
    )  # fmt: skip


def _on_statement(name: str) -> CallableRow:
    return CallableRow(
        name, _SELECT_DOC, STATEMENT, (), STATEMENT, Of.RECEIVER,
        samples=(f"{_STATEMENT_IS}it.{name}(1)\n",),
        near_misses=(f"it = {{}}\nit.{name}(1)\n",),
    )  # fmt: skip


def _function(
    name: str, returns: str, *, effects: tuple[Effect, ...] = (), of: Of = Of.NOTHING, source: str
) -> CallableRow:
    module, _, last = name.rpartition(".")
    return CallableRow(
        name, source, "", effects, returns, of,
        samples=(f"from {module} import {last}\n{last}(it)\n", f"import {module}\n{name}(it)\n"),
        near_misses=(f"from other import {last}\n{last}(it)\n",),
    )  # fmt: skip


def _on_cursor(name: str, *effects: Effect, returns: str = "") -> CallableRow:
    return CallableRow(
        name, _DBAPI, CURSOR, effects, returns,
        samples=(f"{_CURSOR_IS}cursor.{name}(it)\n",),
        near_misses=(f"cursor = open(path)\ncursor.{name}(it)\n",),
    )  # fmt: skip


def _class(name: str, kind: str) -> ReceiverRow:
    module, _, last = name.rpartition(".")
    return ReceiverRow(
        name, kind, How.CLASS, _DOC,
        samples=(f"from {module} import {last}\ndef f(it: {last}): return it\n",),
        near_misses=(f"from other import {last}\ndef f(it: {last}): return it\n",),
    )  # fmt: skip


_CONNECTIONS = Table(
    "sqlalchemy connections",
    (
        _on_connection("execute", Effect.STATEMENT, returns=RESULT),
        _on_connection("scalars", Effect.STATEMENT, returns=SCALARS),
        _on_connection("scalar", Effect.STATEMENT),
        _on_connection("stream", Effect.STATEMENT, returns=RESULT),
        _on_connection("exec_driver_sql", Effect.STATEMENT, returns=RESULT, of=Of.NOTHING),
        _on_connection("commit", Effect.COMMIT, of=Of.NOTHING),
        _on_connection("rollback", Effect.ROLLBACK, of=Of.NOTHING),
        CallableRow(
            "connect", _DOC, ENGINE, (), CONNECTION,
            samples=(_ENGINE_IS + "conn = engine.connect()\n",),
            near_misses=("engine = Broker()\nengine.connect()\n",),
        ),
        CallableRow(
            "begin", _DOC, ENGINE, (), CONNECTION,
            samples=(_ENGINE_IS + "conn = engine.begin()\n",),
            near_misses=("engine = Broker()\nengine.begin()\n",),
        ),
        CallableRow(
            "execute", _DOC, ENGINE, (Effect.STATEMENT,), RESULT, Of.FIRST,
            samples=(_ENGINE_IS + "engine.execute(it)\n",),
            near_misses=("engine = Workflow()\nengine.execute(it)\n",),
        ),
        CallableRow(
            "raw_connection", _DOC, ENGINE, (), DRIVER_CONNECTION,
            samples=(_ENGINE_IS + "conn = engine.raw_connection()\n",),
            near_misses=("engine = Broker()\nengine.raw_connection()\n",),
        ),
        *(
            _function(name, ENGINE, source=_DOC)
            for name in (
                "sqlalchemy.create_engine",
                "sqlalchemy.engine.create_engine",
                "sqlalchemy.engine_from_config",
                "sqlalchemy.ext.asyncio.create_async_engine",
            )
        ),
    ),
)  # fmt: skip

_CONSTRUCTS = ("select", "insert", "update", "delete", "text", "union", "union_all")
_STATEMENTS = Table(
    "sqlalchemy statements",
    (
        *(
            _function(f"{home}.{name}", STATEMENT, of=Of.FIRST, source=_SELECT_DOC)
            for home in ("sqlalchemy", "sqlalchemy.sql", "sqlalchemy.sql.expression")
            for name in _CONSTRUCTS
        ),
        _function("sqlalchemy.future.select", STATEMENT, of=Of.FIRST, source=_SELECT_DOC),
        *(
            _on_statement(name)
            for name in (
                "where", "filter", "filter_by", "options", "order_by", "group_by", "having",
                "limit", "offset", "join", "outerjoin", "join_from", "select_from", "distinct",
                "with_for_update", "execution_options", "values", "returning", "params",
                "with_only_columns", "add_columns", "prefix_with", "correlate", "fetch",
            )
        ),
    ),
)  # fmt: skip

_RECEIVERS = Table(
    "sqlalchemy core receivers",
    (
        _class("sqlalchemy.Connection", CONNECTION),
        _class("sqlalchemy.engine.Connection", CONNECTION),
        _class("sqlalchemy.engine.base.Connection", CONNECTION),
        _class("sqlalchemy.ext.asyncio.AsyncConnection", CONNECTION),
        _class("sqlalchemy.Engine", ENGINE),
        _class("sqlalchemy.engine.Engine", ENGINE),
        _class("sqlalchemy.engine.base.Engine", ENGINE),
        _class("sqlalchemy.ext.asyncio.AsyncEngine", ENGINE),
    ),
)

_CONTEXTS = Table(
    "sqlalchemy core contexts",
    (
        ContextRow(
            "begin", Mode.PLAIN, _DOC, on=ENGINE, gives=CONNECTION,
            samples=(_ENGINE_IS + "with engine.begin() as conn:\n    pass\n",),
            near_misses=("with engine.begin() as conn:\n    pass\n",),
        ),
        ContextRow(
            "connect", Mode.SESSION_ONLY, _DOC, on=ENGINE, gives=CONNECTION,
            samples=(_ENGINE_IS + "with engine.connect() as conn:\n    pass\n",),
            near_misses=("with broker.connect() as conn:\n    pass\n",),
        ),
        ContextRow(
            "begin", Mode.PLAIN, _DOC, on=CONNECTION, gives="",
            samples=(_CONNECTION_IS + "with conn.begin():\n        pass\n",),
            near_misses=("def f(conn):\n    with conn.begin():\n        pass\n",),
        ),
        ContextRow(
            "begin_nested", Mode.SAVEPOINT, _DOC, on=CONNECTION, gives="",
            samples=(_CONNECTION_IS + "with conn.begin_nested():\n        pass\n",),
            near_misses=("def f(conn):\n    with conn.begin_nested():\n        pass\n",),
        ),
    ),
)  # fmt: skip

_DRIVERS = Table(
    "drivers",
    (
        *(
            _function(f"{name}.connect", DRIVER_CONNECTION, source=_DBAPI)
            for name in (
                "sqlite3", "psycopg2", "psycopg", "pymysql", "MySQLdb", "aiosqlite", "asyncpg",
            )
        ),
        CallableRow(
            "cursor", _DBAPI, DRIVER_CONNECTION, (), CURSOR,
            samples=("import sqlite3\nconn = sqlite3.connect(path)\nconn.cursor()\n",),
            near_misses=("conn = Window()\nconn.cursor()\n",),
        ),
        CallableRow(
            "execute", _DBAPI, DRIVER_CONNECTION, (Effect.STATEMENT,), CURSOR,
            samples=("import sqlite3\nconn = sqlite3.connect(path)\nconn.execute(it)\n",),
            near_misses=("conn = Window()\nconn.execute(it)\n",),
        ),
        CallableRow(
            "commit", _DBAPI, DRIVER_CONNECTION, (Effect.COMMIT,),
            samples=("import sqlite3\nconn = sqlite3.connect(path)\nconn.commit()\n",),
            near_misses=("conn = Repository()\nconn.commit()\n",),
        ),
        _on_cursor("execute", Effect.STATEMENT),
        _on_cursor("executemany", Effect.STATEMENT),
        _on_cursor("fetchall", returns=TUPLES),
        _on_cursor("fetchone", returns=TUPLE),
    ),
)  # fmt: skip

TABLES: tuple[Table, ...] = (_CONNECTIONS, _STATEMENTS, _RECEIVERS, _CONTEXTS, _DRIVERS)
