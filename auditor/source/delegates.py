"""Objects that hand every attribute on to a module, which their construction names by a string.

IMPL = oslo_db.api.DBAPI(CONF, backend_mapping={"sqlalchemy": "app.db.sqlalchemy.api"})
IMPL.owner_get(context, key)      runs `owner_get` of `app.db.sqlalchemy.api`
"""

from __future__ import annotations

from collections.abc import Iterator

from auditor.source.facts import Bind, Call, Const, Expr, Name, Return, walk
from auditor.source.inference import Inference
from auditor.source.program import Scope
from auditor.source.value import INSTANCE, NAME, UNKNOWN, Value, joined

_GIVES = "get_backend"
"""The function of such a module that gives the object to hand on to, where it is not itself."""


def delegate_of(inference: Inference, scope: Scope, call: Call) -> Value:
    """What stands behind the object that a call makes: the one module of the program that a string
    among the arguments names, or what its `get_backend` makes; unknown when there are several."""
    modules = inference.program.bodies
    found = dict.fromkeys(text for text in _texts(inference, scope, call) if text in modules)
    if len(found) != 1:
        return UNKNOWN
    name = next(iter(found))
    made = inference.program.functions.get(f"{name}.{_GIVES}")
    given = _made(inference, made) if made is not None else UNKNOWN
    return given if given.kind == INSTANCE else Value(NAME, name)


def _texts(inference: Inference, scope: Scope, call: Call) -> Iterator[str]:
    for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
        for part in walk(_behind(inference, scope, argument)):
            if isinstance(part, Const) and isinstance(part.value, str):
                yield part.value


def _behind(inference: Inference, scope: Scope, expr: Expr) -> Expr:
    """What a name of the module is bound to, when it is bound once."""
    if not isinstance(expr, Name):
        return expr
    body = inference.program.bodies[scope.module.name]
    indices = inference.program.binds[body.key].get(expr.name, ())
    bind = body.function.events[indices[0]] if len(indices) == 1 else None
    value = bind.value if isinstance(bind, Bind) else None
    return expr if value is None else value


def _made(inference: Inference, scope: Scope) -> Value:
    return joined(
        [
            inference.value(scope, index, event.value)
            for index, event in enumerate(scope.function.events)
            if isinstance(event, Return)
        ]
    )
