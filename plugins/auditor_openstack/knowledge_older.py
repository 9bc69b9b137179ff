"""Where OpenStack kept the same things before: neutron.db.api, nova.db.sqlalchemy.api, and
keystone's session blocks.

neutron.db.api moved to neutron_lib.db.api in 2018; nova.db.sqlalchemy.api became nova.db.main.api
in 2021. Scans of older branches, and of one file without the rest, need the rows.
"""

from __future__ import annotations

from auditor.knowledge.oslo_db import FACADE, READER, WRITER
from auditor.model.knowledge import (
    DELEGATE,
    NUMBER,
    QUERY,
    SESSION,
    CallableRow,
    ContextRow,
    Effect,
    How,
    Mode,
    Of,
    ReceiverRow,
    RetryRow,
    Table,
)

_NEUTRON = "neutron.db.api"
_NOVA = "nova.db.sqlalchemy.api"
_KEYSTONE = "keystone.common.sql"
_NEUTRON_DOC = "https://docs.openstack.org/neutron/latest/contributor/internals/retries.html"
_NOVA_DOC = "https://opendev.org/openstack/nova/src/branch/stable/wallaby/nova/db/sqlalchemy/api.py"
_KEYSTONE_DOC = (
    "https://opendev.org/openstack/keystone/src/branch/master/keystone/common/sql/core.py"
)
_SOFT_DOC = "https://docs.openstack.org/oslo.db/latest/reference/api/oslo_db.sqlalchemy.orm.html"
_RETRIED = (
    "oslo_db.exception.DBDeadlock",
    "oslo_db.exception.DBConnectionError",
    "oslo_db.exception.DBDuplicateEntry",
    "oslo_db.exception.RetryRequest",
    "sqlalchemy.orm.exc.StaleDataError",
)
_BLOCK = "def f(context):\n    with api.{}(context.session):\n        pass\n"
_DECORATED = "@api.{}\ndef f(context):\n    pass\n"


def _object(module: str, name: str, kind: str, source: str) -> ReceiverRow:
    return ReceiverRow(
        f"{module}.{name}", kind, How.OBJECT, source,
        samples=(f"import {module}\nit = {module}.{name}\n",),
        near_misses=(f"import app.db.api\nit = app.db.api.{name}\n",),
    )  # fmt: skip


def _retry(module: str, name: str, *retries: str, source: str) -> RetryRow:
    home, _, last = module.rpartition(".")
    return RetryRow(
        f"{module}.{name}", source, retries,
        samples=(f"from {home} import {last} as api\n" + _DECORATED.format(name),),
        near_misses=("from app.db import api\n" + _DECORATED.format(name),),
    )  # fmt: skip


def _delegate(name: str, module: str) -> CallableRow:
    """The object that hands on to the chosen back end, in a project's own copy of oslo code."""
    home, _, last = module.rpartition(".")
    call = f"{last}.{name}({{!r}}, sqlalchemy='app.db')\n"
    return CallableRow(
        f"*.{module}.{name}", _NOVA_DOC, returns=DELEGATE,
        samples=(f"from app{'.' if home else ''}{home} import {last}\n" + call.format("db"),),
        near_misses=(f"from app import web\nweb.{name}('db', sqlalchemy='app.db')\n",),
    )  # fmt: skip


def _session_block(name: str, mode: Mode, home: str = _KEYSTONE) -> ContextRow:
    package, _, module = home.rpartition(".")
    block = f"def f():\n    with {module}.{name}() as it:\n        pass\n"
    return ContextRow(
        f"{home}.{name}", mode, _KEYSTONE_DOC,
        samples=(f"from {package} import {module}\n" + block,),
        near_misses=(f"from app.common import {module}\n" + block,),
    )  # fmt: skip


def _picker(name: str, mode: Mode) -> ContextRow:
    return ContextRow(
        f"{_NOVA}.{name}", mode, _NOVA_DOC, decorator=True, block=False, gives="",
        samples=("from nova.db.sqlalchemy import api\n" + _DECORATED.format(name),),
        near_misses=("from app.db import api\n" + _DECORATED.format(name),),
    )  # fmt: skip


_TABLE = Table(
    "older OpenStack",
    (
        ContextRow(
            f"{_NEUTRON}.autonested_transaction", Mode.SAVEPOINT, _NEUTRON_DOC, gives="",
            samples=("from neutron.db import api\n" + _BLOCK.format("autonested_transaction"),),
            near_misses=("from app.db import api\n" + _BLOCK.format("autonested_transaction"),),
        ),
        _object(_NEUTRON, "context_manager", FACADE, _NEUTRON_DOC),
        _object(_NEUTRON, "CONTEXT_READER", READER, _NEUTRON_DOC),
        _object(_NEUTRON, "CONTEXT_WRITER", WRITER, _NEUTRON_DOC),
        CallableRow(
            f"{_NEUTRON}.get_session", _NEUTRON_DOC, returns=SESSION,
            samples=("from neutron.db import api\napi.get_session()\n",),
            near_misses=("from app.db import api\napi.get_session()\n",),
        ),
        _retry(_NEUTRON, "retry_db_errors", *_RETRIED, source=_NEUTRON_DOC),
        RetryRow(
            f"{_NEUTRON}.retry_if_session_inactive", _NEUTRON_DOC, _RETRIED,
            steps_back=True, copies=True,
            samples=(
                "from neutron.db import api\n" + _DECORATED.format("retry_if_session_inactive()"),
            ),
            near_misses=(
                "from app.db import api\n" + _DECORATED.format("retry_if_session_inactive()"),
            ),
        ),
        _object(_NOVA, "main_context_manager", FACADE, _NOVA_DOC),
        _object(_NOVA, "api_context_manager", FACADE, _NOVA_DOC),
        _picker("pick_context_manager_writer", Mode.WRITER),
        _picker("pick_context_manager_reader", Mode.READER),
        _picker("pick_context_manager_reader_allow_async", Mode.READER),
        _retry(_NOVA, "_retry_on_deadlock", "oslo_db.exception.DBDeadlock", source=_NOVA_DOC),
        CallableRow(
            f"{_NOVA}.model_query", _NOVA_DOC, returns=QUERY, of=Of.SECOND,
            samples=("from nova.db.sqlalchemy.api import model_query\nmodel_query(c, Volume)\n",),
            near_misses=("from app.db.api import model_query\nmodel_query(c, Volume)\n",),
        ),
        CallableRow(
            f"{_NOVA}.get_session", _NOVA_DOC, returns=SESSION,
            samples=("from nova.db.sqlalchemy import api\napi.get_session()\n",),
            near_misses=("from app.db import api\napi.get_session()\n",),
        ),
        CallableRow(
            "soft_delete", _SOFT_DOC, QUERY, (Effect.WRITE,), NUMBER,
            samples=(
                ("from sqlalchemy.orm import Session\nfrom app.models import Model\n"
                "def f(session: Session):\n    session.query(Model).soft_delete()\n"),
            ),
            near_misses=("query = open('names')\nquery.soft_delete()\n",),
        ),
        _delegate("LazyPluggable", "utils"),
        _delegate("DBAPI", "openstack.common.db.api"),
        _delegate("DBAPI.from_config", "openstack.common.db.api"),
        _session_block("session_for_write", Mode.WRITER),
        _session_block("session_for_read", Mode.READER),
        _session_block("session_for_write", Mode.WRITER, f"{_KEYSTONE}.core"),
        _session_block("session_for_read", Mode.READER, f"{_KEYSTONE}.core"),
    ),
)  # fmt: skip

TABLES: tuple[Table, ...] = (_TABLE,)
