"""oslo.db: enginefacade's readers and writers, and the retry decorator (oslo.db 18.1.1)."""

from __future__ import annotations

from auditor.model.knowledge import (
    CONTEXT,
    DELEGATE,
    ENGINE,
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

_DOC = "https://docs.openstack.org/oslo.db/latest/user/usage.html"
_RETRY_DOC = "https://docs.openstack.org/oslo.db/latest/reference/api/oslo_db.api.html"
_MODELS_DOC = (
    "https://docs.openstack.org/oslo.db/latest/reference/api/oslo_db.sqlalchemy.models.html"
)
_UTILS_DOC = "https://docs.openstack.org/oslo.db/latest/reference/api/oslo_db.sqlalchemy.utils.html"
_HOME = "oslo_db.sqlalchemy.enginefacade"
_IMPORT = "from oslo_db.sqlalchemy import enginefacade\n"
_MANAGER = _IMPORT + "manager = enginefacade.transaction_context()\n"
FACADE = "enginefacade"
READER = "enginefacade reader"
WRITER = "enginefacade writer"
_APART = f"{FACADE}, independent"
_SIDES = {
    READER: (Mode.READER, "reader"),
    WRITER: (Mode.WRITER, "writer"),
    f"{READER}, independent": (Mode.INDEPENDENT_READER, "reader.independent"),
    f"{WRITER}, independent": (Mode.INDEPENDENT_WRITER, "writer.independent"),
    f"{WRITER}, savepoint": (Mode.SAVEPOINT, "writer.savepoint"),
}
"""Kinds of transaction context factories, the mode they open, and how they are spelled."""


def _attribute(on: str, name: str, kind: str, spelled: str) -> ReceiverRow:
    return ReceiverRow(
        name, kind, How.ATTRIBUTE, _DOC, on,
        samples=(f"{_MANAGER}it = manager.{spelled}\n",),
        near_misses=(f"import csv\nmanager = csv\nit = manager.{spelled}\n",),
    )  # fmt: skip


def _object(name: str, kind: str) -> ReceiverRow:
    return ReceiverRow(
        f"{_HOME}.{name}", kind, How.OBJECT, _DOC,
        samples=(f"{_IMPORT}it = enginefacade.{name}\n",),
        near_misses=(f"from other import enginefacade\nit = enginefacade.{name}\n",),
    )  # fmt: skip


def _contexts(kind: str) -> tuple[ContextRow, ...]:
    mode, spelled = _SIDES[kind]
    block = f"with {{}}.{spelled}.using(context) as it:\n        pass\n"
    return (
        ContextRow(
            "using", mode, _DOC, kind,
            samples=(f"{_IMPORT}def f(context):\n    " + block.format("enginefacade"),),
            near_misses=("def f(context):\n    " + block.format("other"),),
        ),
        ContextRow(
            "", mode, _DOC, kind, decorator=True, block=False, gives="",
            samples=(f"{_IMPORT}@enginefacade.{spelled}\ndef f(context):\n    pass\n",),
            near_misses=(f"from other import it\n@it.{spelled}\ndef f(context):\n    pass\n",),
        ),
    )  # fmt: skip


_ENGINEFACADE = Table(
    "oslo.db enginefacade",
    (
        CallableRow(
            f"{_HOME}.transaction_context", _DOC, returns=FACADE,
            samples=(f"{_IMPORT}enginefacade.transaction_context()\n",),
            near_misses=("from other import enginefacade\nenginefacade.transaction_context()\n",),
        ),
        *(
            CallableRow(
                name, _DOC, FACADE, (), given,
                samples=(f"{_IMPORT}it = enginefacade.transaction_context()\nit.{name}()\n",),
                near_misses=(f"import it\nit.{name}()\n",),
            )
            for name, given in (("get_engine", ENGINE), ("make_new_manager", FACADE))
        ),
        _object("reader", READER),
        _object("writer", WRITER),
        _attribute(FACADE, "reader", READER, "reader"),
        _attribute(FACADE, "writer", WRITER, "writer"),
        _attribute(FACADE, "savepoint", FACADE, "savepoint"),
        _attribute(FACADE, "allow_async", FACADE, "allow_async"),
        _attribute(FACADE, "independent", _APART, "independent"),
        _attribute(_APART, "reader", f"{READER}, independent", "independent.reader"),
        _attribute(_APART, "writer", f"{WRITER}, independent", "independent.writer"),
        _attribute(READER, "allow_async", READER, "reader.allow_async"),
        _attribute(READER, "connection", READER, "reader.connection"),
        _attribute(WRITER, "connection", WRITER, "writer.connection"),
        _attribute(READER, "independent", f"{READER}, independent", "reader.independent"),
        _attribute(WRITER, "independent", f"{WRITER}, independent", "writer.independent"),
        _attribute(WRITER, "savepoint", f"{WRITER}, savepoint", "writer.savepoint"),
        *(row for kind in _SIDES for row in _contexts(kind)),
    ),
)  # fmt: skip

_CONTEXT = Table(
    "oslo.db request contexts",
    (
        ReceiverRow(
            "context", CONTEXT, How.NAME, _DOC,
            samples=("def f(context): it = context\n",),
            near_misses=("def f(text): it = text\n",),
        ),
        ReceiverRow(
            "session", SESSION, How.ATTRIBUTE, _DOC, CONTEXT,
            samples=("def f(context): it = context.session\n",),
            near_misses=("def f(request): it = request.session\n",),
        ),
    ),
)  # fmt: skip

_MARKS = (
    ("retry_on_deadlock", "oslo_db.exception.DBDeadlock"),
    ("retry_on_request", "oslo_db.exception.RetryRequest"),
    ("safe_for_db_retry", "oslo_db.exception.DBConnectionError"),
)
"""Marks on functions of a backend, which `oslo_db.api.DBAPI` repeats."""
_MODELS = Table(
    "oslo.db models",
    (
        CallableRow(
            "oslo_db.sqlalchemy.models.ModelBase.save", _MODELS_DOC,
            effects=(Effect.WRITE, Effect.FLUSH),
            samples=(
                (
                    "from oslo_db.sqlalchemy import models\n"
                    "class Label(models.ModelBase):\n    pass\nLabel().save(session)\n"
                ),
            ),
            near_misses=("class Label:\n    pass\nLabel().save(session)\n",),
        ),
        CallableRow(
            "oslo_db.sqlalchemy.utils.model_query", _UTILS_DOC, returns=QUERY, of=Of.FIRST,
            samples=("from oslo_db.sqlalchemy import utils\nutils.model_query(Label, session)\n",),
            near_misses=("from app import utils\nutils.model_query(Label, session)\n",),
        ),
    ),
)  # fmt: skip

_RETRIES = Table(
    "oslo.db retries",
    (
        RetryRow(
            "oslo_db.api.wrap_db_retry", _RETRY_DOC,
            retries=("oslo_db.exception.RetryRequest",),
            switches=(
                ("retry_on_deadlock", "oslo_db.exception.DBDeadlock"),
                ("retry_on_disconnect", "oslo_db.exception.DBConnectionError"),
            ),
            samples=(
                "from oslo_db import api\n@api.wrap_db_retry()\ndef f():\n    pass\n",
            ),
            near_misses=("from tenacity import api\n@api.wrap_db_retry()\ndef f():\n    pass\n",),
        ),
        *(
            RetryRow(
                f"oslo_db.api.{name}", _RETRY_DOC, retries=(error,),
                samples=(f"from oslo_db import api\n@api.{name}\ndef f():\n    pass\n",),
                near_misses=(f"from tenacity import api\n@api.{name}\ndef f():\n    pass\n",),
            )
            for name, error in _MARKS
        ),
    ),
)  # fmt: skip

_BACKENDS = Table(
    "oslo.db back ends",
    tuple(
        CallableRow(
            f"oslo_db.{name}", _RETRY_DOC, returns=DELEGATE,
            samples=(
                (
                    f"import oslo_db.{name.partition('.')[0]}\n"
                    f"oslo_db.{name}(CONF, backend_mapping={{'sqlalchemy': 'app.db'}})\n"
                ),
            ),
            near_misses=(f"import app.{name.partition('.')[0]}\napp.{name}(CONF)\n",),
        )
        for name in ("api.DBAPI", "api.DBAPI.from_config", "concurrency.TpoolDbapiWrapper")
    ),
)  # fmt: skip

TABLES: tuple[Table, ...] = (_ENGINEFACADE, _CONTEXT, _RETRIES, _BACKENDS)
