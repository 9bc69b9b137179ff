"""Neutron's objects: every method of `NeutronDbObject` that issues statements (Neutron 29.0.0).

Each opens its own reader or writer. Classmethods that a class adds by itself (such as
`RouterPort.get_router_ids_by_subnetpool`) build a query in their bodies and are seen there.
"""

from __future__ import annotations

from dataclasses import dataclass

from auditor.model.knowledge import (
    NUMBER,
    QUERY,
    ROW,
    ROW_OR_NONE,
    ROWS,
    CallableRow,
    ContextRow,
    Effect,
    Mode,
    Of,
    Table,
    WrapperRow,
)
from auditor_openstack.knowledge_neutron_lib import DUPLICATE

_DOC = "https://docs.openstack.org/neutron/latest/contributor/internals/objects_usage.html"
_API_DOC = "https://opendev.org/openstack/neutron/src/branch/master/neutron/objects/db/api.py"
_BASE = "neutron.objects.base.NeutronDbObject"
_API = "neutron.objects.db.api"
_SUBCLASS = (
    "from neutron.objects.base import NeutronDbObject\nclass Port(NeutronDbObject):\n    pass\n"
)
_IMPORTED = "from neutron.objects.ports import Port\n"
_NEAR_MISS = "from app.network import Port\n"


@dataclass(frozen=True, slots=True)
class _Method:
    """A method of NeutronDbObject, and the function of `neutron.objects.db.api` behind it."""

    name: str
    effects: tuple[Effect, ...]
    returns: str = ""
    of: Of = Of.NOTHING
    raises: tuple[str, ...] = ()
    on_instance: bool = False
    behind: str = ""


_METHODS = (
    _Method("get_object", (Effect.READ,), ROW_OR_NONE, Of.RECEIVER, behind="get_object"),
    _Method("get_objects", (Effect.READ,), ROWS, Of.RECEIVER, behind="get_objects"),
    _Method("get_values", (Effect.READ,), behind="get_values"),
    _Method("count", (Effect.READ,), NUMBER, behind="count"),
    _Method("objects_exist", (Effect.READ,)),
    _Method(
        "update_object", (Effect.READ, Effect.WRITE), ROW, Of.RECEIVER, behind="update_object"
    ),
    _Method(
        "update_objects", (Effect.READ, Effect.WRITE), NUMBER, behind="update_objects"
    ),
    _Method(
        "delete_objects", (Effect.READ, Effect.WRITE), NUMBER, behind="delete_objects"
    ),
    _Method(
        "create", (Effect.WRITE,), raises=(DUPLICATE,), on_instance=True, behind="create_object"
    ),
    _Method("update", (Effect.READ, Effect.WRITE), on_instance=True),
    _Method("delete", (Effect.READ, Effect.WRITE), on_instance=True, behind="delete_object"),
)  # fmt: skip


def _rows(method: _Method) -> tuple[CallableRow, ...]:
    """The method of the base class, of every class below `neutron.objects`, and what is behind."""
    named = (
        _row(method, f"{_BASE}.{method.name}", _SUBCLASS),
        _row(method, f"neutron.objects.*.{method.name}", _IMPORTED),
    )
    return (*named, _behind(method)) if method.behind else named


def _row(method: _Method, name: str, imports: str) -> CallableRow:
    called = "Port(context)" if method.on_instance else "Port"
    call = f"def f(context):\n    {called}.{method.name}(context)\n"
    return CallableRow(
        name, _DOC, "", method.effects, method.returns, method.of, raises=method.raises,
        opens=Mode.WRITER if Effect.WRITE in method.effects else Mode.READER,
        samples=(imports + call,),
        near_misses=(_NEAR_MISS + call,),
    )  # fmt: skip


def _behind(method: _Method) -> CallableRow:
    of = Of.FIRST if method.of is Of.RECEIVER else method.of
    call = f"obj_db_api.{method.behind}(Port, context)\n"
    return CallableRow(
        f"{_API}.{method.behind}", _API_DOC, "", method.effects, method.returns, of,
        samples=(f"from neutron.objects.db import api as obj_db_api\n{call}",),
        near_misses=(f"from app.db import api as obj_db_api\n{call}",),
    )  # fmt: skip


def _context(name: str, mode: Mode) -> ContextRow:
    block = f"def f(context):\n    with Port.{name}(context):\n        pass\n"
    return ContextRow(
        f"{_BASE}.{name}", mode, _DOC,
        samples=(_SUBCLASS + block,),
        near_misses=(_NEAR_MISS + block,),
    )  # fmt: skip


def _of_no_database(name: str) -> CallableRow:
    module = "neutron.objects.qos.rule_type"
    cls = name.partition(".")[0]
    return CallableRow(
        f"{module}.{name}", _DOC,
        samples=(f"from {module} import {cls}\n{name}(context)\n",),
        near_misses=(f"from app.qos import {cls}\n{name}(context)\n",),
    )  # fmt: skip


_OBJECTS = Table(
    "neutron objects",
    (
        *(row for method in _METHODS for row in _rows(method)),
        # These two hold what plug-ins say of themselves, and have no table.
        *(
            _of_no_database(name)
            for name in (
                "QosRuleType.get_object", "QosRuleType.get_objects", "QosRuleType.get_values",
                "QosRuleTypeDriver.get_objects",
            )
        ),
        WrapperRow(
            "db_model", "db_obj", _DOC,
            samples=("class Port:\n    db_model = models.Port\n",),
            near_misses=("class Port:\n    model = models.Port\n",),
        ),
        _context("db_context_reader", Mode.READER),
        _context("db_context_writer", Mode.WRITER),
        CallableRow(
            "neutron.objects.db.api._get_filter_query", _API_DOC, returns=QUERY, of=Of.FIRST,
            samples=(
                "from neutron.objects.db import api\napi._get_filter_query(Port, context)\n",
            ),
            near_misses=("from app.db import api\napi._get_filter_query(Port, context)\n",),
        ),
    ),
)  # fmt: skip

TABLES: tuple[Table, ...] = (_OBJECTS,)
