"""neutron-lib: its reader and writer, contexts, retries and query builders (neutron-lib 5.0.1)."""

from __future__ import annotations

from auditor.knowledge.oslo_db import FACADE, READER, WRITER
from auditor.model.knowledge import (
    CONTEXT,
    ENGINE,
    NUMBER,
    QUERY,
    ROW,
    SESSION,
    SESSION_FACTORY,
    CallableRow,
    Effect,
    ErrorRow,
    How,
    Of,
    ReceiverRow,
    RetryRow,
    Table,
)

_DOC = "https://docs.openstack.org/neutron-lib/latest/reference/modules/"
_API_DOC = f"{_DOC}neutron_lib.db.api.html"
_QUERY_DOC = f"{_DOC}neutron_lib.db.model_query.html"
_CONTEXT_DOC = f"{_DOC}neutron_lib.context.html"
_OBJECTS_DOC = "https://docs.openstack.org/neutron/latest/contributor/internals/objects_usage.html"
_ERRORS_DOC = f"{_DOC}neutron_lib.objects.exceptions.html"
_API = "neutron_lib.db.api"
_QUERY = "neutron_lib.db.model_query"
_IMPORT = "from neutron_lib.db import api as db_api\n"
DUPLICATE = "neutron_lib.objects.exceptions.NeutronDbObjectDuplicateEntry"
_NO_ROW = "sqlalchemy.exc.NoResultFound"
_MANY_ROWS = "sqlalchemy.exc.MultipleResultsFound"
_RETRIED = (
    "oslo_db.exception.DBDeadlock",
    "oslo_db.exception.DBConnectionError",
    "oslo_db.exception.DBDuplicateEntry",
    "oslo_db.exception.RetryRequest",
    "sqlalchemy.orm.exc.StaleDataError",
    DUPLICATE,
)
"""What `neutron_lib.db.api.is_retriable` accepts, beside DBError that mentions MySQL's 1305."""


def _side(name: str, kind: str) -> ReceiverRow:
    return ReceiverRow(
        f"{_API}.{name}", kind, How.OBJECT, _API_DOC,
        samples=(
            f"{_IMPORT}it = db_api.{name}\n",
            f"from neutron_lib.db.api import {name}\nit = {name}\n",
        ),
        near_misses=(f"from app.db import api as db_api\nit = db_api.{name}\n",),
    )  # fmt: skip


def _accessor(name: str, returns: str) -> CallableRow:
    return CallableRow(
        f"{_API}.{name}", _API_DOC, returns=returns,
        samples=(f"{_IMPORT}it = db_api.{name}()\n",),
        near_misses=(f"from app.db import api as db_api\nit = db_api.{name}()\n",),
    )  # fmt: skip


def _of_side(kind: str, name: str, returns: str) -> CallableRow:
    side = {READER: "CONTEXT_READER", WRITER: "CONTEXT_WRITER"}[kind]
    return CallableRow(
        name, _API_DOC, kind, returns=returns,
        samples=(f"{_IMPORT}it = db_api.{side}.{name}()\n",),
        near_misses=(f"from app.db import api as db_api\nit = db_api.{side}.{name}()\n",),
    )  # fmt: skip


_SIDES = Table(
    "neutron-lib reader and writer",
    (
        _side("CONTEXT_READER", READER),
        _side("CONTEXT_WRITER", WRITER),
        _accessor("get_context_manager", FACADE),
        _accessor("get_reader_session", SESSION),
        _accessor("get_writer_session", SESSION),
        _of_side(READER, "get_engine", ENGINE),
        _of_side(WRITER, "get_engine", ENGINE),
        _of_side(READER, "get_sessionmaker", SESSION_FACTORY),
        _of_side(WRITER, "get_sessionmaker", SESSION_FACTORY),
    ),
)


def _context_of(name: str) -> CallableRow:
    return CallableRow(
        f"neutron_lib.context.{name}", _CONTEXT_DOC, returns=CONTEXT,
        samples=(f"from neutron_lib import context\nit = context.{name}()\n",),
        near_misses=(f"from decimal import context\nit = context.{name}()\n",),
    )  # fmt: skip


def _named_context(name: str) -> ReceiverRow:
    return ReceiverRow(
        name, CONTEXT, How.NAME, _CONTEXT_DOC,
        samples=(f"def f({name}):\n    it = {name}\n",),
        near_misses=(f"import {name}\ndef f(other_{name}):\n    it = other_{name}\n",),
    )  # fmt: skip


_CONTEXTS = Table(
    "neutron-lib request contexts",
    (
        ReceiverRow(
            "neutron_lib.context.Context", CONTEXT, How.CLASS, _CONTEXT_DOC,
            samples=("from neutron_lib.context import Context\ndef f(it: Context): return it\n",),
            near_misses=("from decimal import Context\ndef f(it: Context): return it\n",),
        ),
        _context_of("get_admin_context"),
        _context_of("Context"),
        CallableRow(
            "elevated", _CONTEXT_DOC, CONTEXT, returns=CONTEXT,
            samples=("def f(context):\n    it = context.elevated()\n",),
            near_misses=("def f(platform):\n    it = platform.elevated()\n",),
        ),
        _named_context("admin_context"),
        _named_context("plugin_context"),
        *(
            ReceiverRow(
                name, CONTEXT, How.ANY_ATTRIBUTE, source,
                samples=(
                    f"def f(thing):\n    it = thing.{name}\n",
                    f"class Port(Thing):\n    def f(self):\n        it = self.{name}\n",
                ),
                near_misses=("def f(thing):\n    it = thing.text\n",),
            )
            for name, source in (
                ("obj_context", _OBJECTS_DOC),
                ("_plugin_context", f"{_DOC}neutron_lib.plugins.ml2.api.html"),
            )
        ),
    ),
)  # fmt: skip

_RETRIES = Table(
    "neutron-lib retries",
    (
        RetryRow(
            f"{_API}.retry_db_errors", _API_DOC, _RETRIED, copies=True,
            samples=(f"{_IMPORT}@db_api.retry_db_errors\ndef f():\n    pass\n",),
            near_misses=(
                "from app.db import api as db_api\n@db_api.retry_db_errors\ndef f():\n    pass\n",
            ),
        ),
        RetryRow(
            f"{_API}.retry_if_session_inactive", _API_DOC, _RETRIED, steps_back=True, copies=True,
            samples=(
                f"{_IMPORT}@db_api.retry_if_session_inactive()\ndef f(context):\n    pass\n",
                f"{_IMPORT}@db_api.retry_if_session_inactive('ctx')\ndef f(ctx):\n    pass\n",
            ),
            near_misses=(f"{_IMPORT}@db_api.sqla_listen\ndef f(context):\n    pass\n",),
        ),
    ),
)  # fmt: skip


def _builder(
    name: str, *effects: Effect, returns: str = "", of: Of = Of.NOTHING,
    raises: tuple[str, ...] = (),
) -> CallableRow:  # fmt: skip
    return CallableRow(
        f"{_QUERY}.{name}", _QUERY_DOC, "", effects, returns, of, raises=raises,
        samples=(
            f"from neutron_lib.db import model_query\nmodel_query.{name}(context, Port)\n",
            f"from neutron_lib.db.model_query import {name}\n{name}(context, Port)\n",
        ),
        near_misses=(f"from app.db import model_query\nmodel_query.{name}(context, Port)\n",),
    )  # fmt: skip


_QUERIES = Table(
    "neutron-lib queries",
    (
        _builder("query_with_hooks", returns=QUERY, of=Of.SECOND),
        _builder("get_collection_query", returns=QUERY, of=Of.SECOND),
        _builder("apply_filters", returns=QUERY, of=Of.SECOND),
        _builder("get_by_id", Effect.READ, returns=ROW, of=Of.SECOND, raises=(_NO_ROW, _MANY_ROWS)),
        # What it gives are dicts, made of rows that were all read: no row of a mapped class.
        _builder("get_collection", Effect.READ),
        _builder("get_values", Effect.READ),
        _builder("get_collection_count", Effect.READ, returns=NUMBER),
    ),
)

_ERRORS = Table(
    "neutron-lib errors",
    (
        ErrorRow(
            DUPLICATE, ("neutron_lib.exceptions.Conflict",), "neutron-lib", _ERRORS_DOC,
            retriable=True, attributes=("columns", "value"),
            stands_for=("oslo_db.exception.DBDuplicateEntry",),
            note="made from DBDuplicateEntry by `create()` of Neutron's objects",
            samples=(f"import neutron_lib.objects.exceptions\nit = {DUPLICATE}\n",),
            near_misses=("from oslo_db import exception\nit = exception.DBDuplicateEntry\n",),
        ),
    ),
)  # fmt: skip

TABLES: tuple[Table, ...] = (_SIDES, _CONTEXTS, _RETRIES, _QUERIES, _ERRORS)
