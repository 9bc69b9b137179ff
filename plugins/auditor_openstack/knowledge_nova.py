"""nova and cinder: where they keep their readers and writers, and their query builders.

Sources: nova/db/main/api.py and nova/db/api/api.py (nova at 00a030403f), and cinder's
cinder/db/sqlalchemy/api.py. `require_context` and its like only check the request's context and
touch no database, so they have no rows.
"""

from __future__ import annotations

from auditor.knowledge.oslo_db import FACADE
from auditor.model.knowledge import (
    QUERY,
    CallableRow,
    ContextRow,
    How,
    Mode,
    Of,
    ReceiverRow,
    Table,
)

_NOVA = "nova.db.main.api"
_NOVA_API = "nova.db.api.api"
_CINDER = "cinder.db.sqlalchemy.api"
_MANILA = "manila.db.sqlalchemy.api"
_NOVA_SOURCE = "https://opendev.org/openstack/nova/src/branch/master/nova/db/main/api.py"
_NOVA_API_SOURCE = "https://opendev.org/openstack/nova/src/branch/master/nova/db/api/api.py"
_CINDER_SOURCE = (
    "https://opendev.org/openstack/cinder/src/branch/master/cinder/db/sqlalchemy/api.py"
)
_MANILA_SOURCE = (
    "https://opendev.org/openstack/manila/src/branch/master/manila/db/sqlalchemy/api.py"
)
_PICKERS = (
    ("pick_context_manager_writer", Mode.WRITER),
    ("pick_context_manager_reader", Mode.READER),
    ("pick_context_manager_reader_allow_async", Mode.READER),
)
_MANAGERS: tuple[tuple[str, str, str], ...] = (
    (_NOVA, "context_manager", _NOVA_SOURCE),
    (_NOVA_API, "context_manager", _NOVA_API_SOURCE),
    (_CINDER, "main_context_manager", _CINDER_SOURCE),
    (_MANILA, "context_manager", _MANILA_SOURCE),
    (
        "heat.db.api",
        "context_manager",
        "https://opendev.org/openstack/heat/src/branch/master/heat/db/api.py",
    ),
    (
        "placement.db_api",
        "placement_context_manager",
        "https://opendev.org/openstack/placement/src/branch/master/placement/db_api.py",
    ),
)


def _picker(name: str, mode: Mode) -> ContextRow:
    return ContextRow(
        f"{_NOVA}.{name}", mode, _NOVA_SOURCE, decorator=True, block=False, gives="",
        samples=(f"from nova.db.main import api\n@api.{name}\ndef f(context):\n    pass\n",),
        near_misses=(f"from app.db import api\n@api.{name}\ndef f(context):\n    pass\n",),
    )  # fmt: skip


def _manager(module: str, name: str, source: str) -> ReceiverRow:
    return ReceiverRow(
        f"{module}.{name}", FACADE, How.OBJECT, source,
        samples=(f"import {module}\nit = {module}.{name}\n",),
        near_misses=(f"import app.db.api\nit = app.db.api.{name}\n",),
    )  # fmt: skip


def _model_query(module: str, source: str) -> CallableRow:
    return CallableRow(
        f"{module}.model_query", source, returns=QUERY, of=Of.SECOND,
        samples=(f"from {module} import model_query\nmodel_query(context, Volume)\n",),
        near_misses=("from app.db.api import model_query\nmodel_query(context, Volume)\n",),
    )  # fmt: skip


_TABLE = Table(
    "nova, cinder and their like",
    (
        *(_picker(name, mode) for name, mode in _PICKERS),
        *(_manager(*manager) for manager in _MANAGERS),
        CallableRow(
            f"{_NOVA}.get_context_manager", _NOVA_SOURCE, returns=FACADE,
            samples=("from nova.db.main import api\napi.get_context_manager(context)\n",),
            near_misses=("from app.db import api\napi.get_context_manager(context)\n",),
        ),
        _model_query(_NOVA, _NOVA_SOURCE),
        _model_query(_CINDER, _CINDER_SOURCE),
        _model_query(_MANILA, _MANILA_SOURCE),
    ),
)  # fmt: skip

TABLES: tuple[Table, ...] = (_TABLE,)
