"""SQLAlchemy's ORM: sessions, legacy queries, results (1.4, 2.0, 2.1; sync and async)."""

from __future__ import annotations

from auditor.model.knowledge import (
    CONNECTION,
    NUMBER,
    QUERY,
    RESULT,
    ROW,
    ROW_OR_NONE,
    ROWS,
    SCALARS,
    SESSION,
    SESSION_FACTORY,
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

_SESSION_DOC = "https://docs.sqlalchemy.org/en/20/orm/session_api.html"
_QUERY_DOC = "https://docs.sqlalchemy.org/en/20/orm/queryguide/query.html"
_RESULT_DOC = "https://docs.sqlalchemy.org/en/20/core/connections.html#result-set-api"
_MODEL = "from app.models import Model\n"
_SESSION_IS = "from sqlalchemy.orm import Session\n" + _MODEL + "session = Session()\n"
_MAKER_IS = "from sqlalchemy.orm import sessionmaker\nMaker = sessionmaker()\n"
_NO_ROW = "sqlalchemy.exc.NoResultFound"
_MANY_ROWS = "sqlalchemy.exc.MultipleResultsFound"


def _on_session(
    name: str, *effects: Effect, returns: str = "", of: Of = Of.NOTHING, call: str = "it"
) -> CallableRow:
    return CallableRow(
        name, _SESSION_DOC, SESSION, effects, returns, of,
        samples=(f"{_SESSION_IS}session.{name}({call})\n",),
        near_misses=(f"session = {{}}\nsession.{name}({call})\n",),
    )  # fmt: skip


def _on_query(
    name: str, *effects: Effect, returns: str = "", of: Of = Of.RECEIVER,
    raises: tuple[str, ...] = (), lazy: bool = False,
) -> CallableRow:  # fmt: skip
    return CallableRow(
        name, _QUERY_DOC, QUERY, effects, returns, of, lazy, raises,
        samples=(f"{_SESSION_IS}session.query(Model).{name}(1)\n",),
        near_misses=(f"query = open('names')\nquery.{name}(1)\n",),
    )  # fmt: skip


def _on_result(on: str, name: str, returns: str, raises: tuple[str, ...] = ()) -> CallableRow:
    issued = "execute" if on == RESULT else "scalars"
    return CallableRow(
        name, _RESULT_DOC, on, (), returns, Of.RECEIVER, raises=raises,
        samples=(f"{_SESSION_IS}session.{issued}(it).{name}()\n",),
        near_misses=(f"found = set()\nfound.{name}()\n",),
    )  # fmt: skip


_SESSIONS = Table(
    "sqlalchemy sessions",
    (
        _on_session("execute", Effect.STATEMENT, returns=RESULT, of=Of.FIRST),
        _on_session("scalars", Effect.STATEMENT, returns=SCALARS, of=Of.FIRST),
        _on_session("scalar", Effect.STATEMENT, returns=ROW_OR_NONE, of=Of.FIRST),
        _on_session("stream", Effect.STATEMENT, returns=RESULT, of=Of.FIRST),
        _on_session("stream_scalars", Effect.STATEMENT, returns=SCALARS, of=Of.FIRST),
        _on_session("get", Effect.READ, returns=ROW_OR_NONE, of=Of.FIRST, call="Model, 1"),
        _on_session("get_one", Effect.READ, returns=ROW, of=Of.FIRST, call="Model, 1"),
        _on_session("query", returns=QUERY, of=Of.FIRST, call="Model"),
        _on_session("connection", returns=CONNECTION, call=""),
        _on_session("refresh", Effect.REFRESH),
        _on_session("merge", Effect.READ, Effect.PENDING),
        _on_session("flush", Effect.FLUSH),
        _on_session("commit", Effect.COMMIT),
        _on_session("rollback", Effect.ROLLBACK),
        _on_session("add", Effect.PENDING),
        _on_session("add_all", Effect.PENDING),
        _on_session("delete", Effect.PENDING),
        _on_session("bulk_save_objects", Effect.WRITE),
        _on_session("bulk_insert_mappings", Effect.WRITE),
        _on_session("bulk_update_mappings", Effect.WRITE),
    ),
)

_QUERIES = Table(
    "sqlalchemy queries",
    (
        *(
            _on_query(name, returns=QUERY)
            for name in (
                "filter", "filter_by", "where", "join", "outerjoin", "options", "order_by",
                "group_by", "having", "distinct", "limit", "offset", "with_for_update",
                "populate_existing", "execution_options", "enable_eagerloads", "select_from",
                "with_entities", "add_columns", "autoflush", "yield_per", "params", "union",
                "union_all", "from_statement", "enable_assertions", "slice", "reset_joinpoint",
                "with_lockmode", "with_hint", "correlate", "prefix_with", "add_entity",
                "with_parent",
            )
        ),
        _on_query("all", Effect.READ, returns=ROWS),
        _on_query("first", Effect.READ, returns=ROW_OR_NONE),
        _on_query("one", Effect.READ, returns=ROW, raises=(_NO_ROW, _MANY_ROWS)),
        _on_query("one_or_none", Effect.READ, returns=ROW_OR_NONE, raises=(_MANY_ROWS,)),
        _on_query("get", Effect.READ, returns=ROW_OR_NONE),
        _on_query("scalar", Effect.READ, of=Of.NOTHING),
        _on_query("count", Effect.READ, returns=NUMBER, of=Of.NOTHING),
        _on_query("update", Effect.WRITE, returns=NUMBER, of=Of.NOTHING),
        _on_query("delete", Effect.WRITE, returns=NUMBER, of=Of.NOTHING),
    ),
)  # fmt: skip

_ENDS = (
    ("first", True, ()), ("fetchone", True, ()), ("one_or_none", True, (_MANY_ROWS,)),
    ("one", False, (_NO_ROW, _MANY_ROWS)),
)  # fmt: skip
_RESULTS = Table(
    "sqlalchemy results",
    (
        *(
            _on_result(on, name, several)
            for on, several in ((RESULT, TUPLES), (SCALARS, ROWS))
            for name in ("all", "fetchall", "fetchmany", "partitions")
        ),
        *(_on_result(on, name, on) for on in (RESULT, SCALARS) for name in ("unique", "yield_per")),
        *(_on_result(RESULT, name, RESULT) for name in ("mappings", "tuples", "columns")),
        _on_result(RESULT, "scalars", SCALARS),
        _on_result(RESULT, "scalar", ROW_OR_NONE),
        _on_result(RESULT, "scalar_one_or_none", ROW_OR_NONE, (_MANY_ROWS,)),
        _on_result(RESULT, "scalar_one", ROW, (_NO_ROW, _MANY_ROWS)),
        *(
            _on_result(SCALARS, name, ROW_OR_NONE if may_miss else ROW, raises)
            for name, may_miss, raises in _ENDS
        ),
        *(_on_result(RESULT, name, TUPLE, raises) for name, _, raises in _ENDS),
    ),
)


def _class(name: str, kind: str) -> ReceiverRow:
    module, _, last = name.rpartition(".")
    return ReceiverRow(
        name, kind, How.CLASS, _SESSION_DOC,
        samples=(
            f"from {module} import {last}\nit = {last}(bind)\n",
            f"from {module} import {last}\ndef f(it: {last}): return it\n",
        ),
        near_misses=(f"from other import {last}\nit = {last}(bind)\n",),
    )  # fmt: skip


def _factory(name: str) -> CallableRow:
    module, _, last = name.rpartition(".")
    return CallableRow(
        name, _SESSION_DOC, returns=SESSION_FACTORY,
        samples=(f"from {module} import {last}\n{last}(bind=engine)\n",),
        near_misses=(f"from other import {last}\n{last}(bind=engine)\n",),
    )  # fmt: skip


_RECEIVERS = Table(
    "sqlalchemy orm receivers",
    (
        _class("sqlalchemy.orm.Session", SESSION),
        _class("sqlalchemy.orm.session.Session", SESSION),
        _class("sqlalchemy.orm.scoped_session", SESSION),
        _class("sqlalchemy.ext.asyncio.AsyncSession", SESSION),
        _class("sqlalchemy.ext.asyncio.async_scoped_session", SESSION),
        _class("sqlalchemy.orm.Query", QUERY),
        _factory("sqlalchemy.orm.sessionmaker"),
        _factory("sqlalchemy.ext.asyncio.async_sessionmaker"),
        ReceiverRow(
            "session", SESSION, How.NAME, _SESSION_DOC,
            samples=("def f(session): it = session\n",),
            near_misses=(
                "import requests\ndef f():\n    session = requests.Session()\n    it = session\n",
                "def f(client): it = client\n",
            ),
        ),
        ReceiverRow(
            "db_session", SESSION, How.NAME, _SESSION_DOC,
            samples=("def f(db_session): it = db_session\n",),
            near_misses=("def f(db): it = db\n",),
        ),
    ),
)  # fmt: skip

_CONTEXTS = Table(
    "sqlalchemy orm contexts",
    (
        ContextRow(
            "begin", Mode.PLAIN, _SESSION_DOC, on=SESSION,
            samples=(_SESSION_IS + "with session.begin():\n    pass\n",),
            near_misses=("with job.begin():\n    pass\n",),
        ),
        ContextRow(
            "begin", Mode.PLAIN, _SESSION_DOC, on=SESSION_FACTORY,
            samples=(
                _MAKER_IS + "def f():\n    with Maker.begin() as it:\n        pass\n",
            ),
            near_misses=("with Maker.begin():\n    pass\n",),
        ),
        ContextRow(
            "begin_nested", Mode.SAVEPOINT, _SESSION_DOC, on=SESSION,
            samples=(_SESSION_IS + "with session.begin_nested():\n    pass\n",),
            near_misses=("with job.begin_nested():\n    pass\n",),
        ),
        ContextRow(
            "", Mode.SESSION_ONLY, _SESSION_DOC, on=SESSION,
            samples=("from sqlalchemy.orm import Session\nwith Session(e) as s:\n    pass\n",),
            near_misses=("with open(e) as s:\n    pass\n",),
        ),
    ),
)  # fmt: skip

TABLES: tuple[Table, ...] = (_SESSIONS, _QUERIES, _RESULTS, _RECEIVERS, _CONTEXTS)
