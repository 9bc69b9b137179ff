"""What the schema lets the database refuse, read from the mapped classes in the source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from auditor.source.facts import Call, Const, Expr, Items, dotted, walk
from auditor.source.models import ForeignKey, Model
from auditor.source.program import last_step
from auditor.source.project import Project

_GIVING_WAY = frozenset(("CASCADE", "SET NULL", "SET DEFAULT"))
_NUMBERS = frozenset(("Integer", "BigInteger", "SmallInteger"))
_NAMING = "neutron_lib.db.model_base.BASEV2"
_KEPT = "handlers.schema"


class Key(NamedTuple):
    """Columns that must be unique together. `is_made` tells a primary key whose values the database
    or the program makes up, so that a second equal one is not to be expected."""

    columns: tuple[str, ...]
    is_primary: bool = False
    is_made: bool = False


class Reference(NamedTuple):
    """A foreign key of `model` to the table `target`; `gives_way` tells that a delete over there
    takes the row along or empties its column."""

    model: Model
    column: str
    target: str
    gives_way: bool


def keys_of(project: Project, model: Model) -> tuple[Key, ...]:
    """The keys of a table: the primary one first."""
    primary = tuple(name for name in model.columns if _flag(model, name, "primary_key"))
    found = [Key(primary, is_primary=True, is_made=_is_made(model, primary))] if primary else []
    found += [Key((name,)) for name in model.columns if _flag(model, name, "unique")]
    for call in _table_arguments(project, model):
        name = last_step(call.func)
        if name == "UniqueConstraint" or (name == "Index" and _is_true(call.keyword("unique"))):
            columns = call.args[1:] if name == "Index" else call.args
            found.append(Key(tuple(_word(column) for column in columns)))
    return tuple(dict.fromkeys(found))


def references_of(project: Project, model: Model) -> tuple[Reference, ...]:
    """The foreign keys of a table."""
    keys = [*model.foreign_keys, *_composite(project, model)]
    found: dict[tuple[str, str], Reference] = {}
    for key in keys:
        target = _table(project, key)
        gives_way = key.ondelete.upper() in _GIVING_WAY
        found.setdefault((key.column, target), Reference(model, key.column, target, gives_way))
    return tuple(found.values())


def refusing(project: Project, model: Model) -> tuple[Reference, ...]:
    """The foreign keys of other tables that let the database refuse a delete in this one."""
    by_target = project.shared.get(_KEPT)
    if by_target is None:
        by_target = project.shared[_KEPT] = _by_target(project)
    found = by_target.get(table_of(project, model), ())
    return tuple(one for one in found if not one.gives_way)


def _by_target(project: Project) -> dict[str, list[Reference]]:
    found: dict[str, list[Reference]] = {}
    seen = set()
    for model in project.models.by_name.values():
        table = table_of(project, model)
        for one in references_of(project, model) if table else ():
            if (table, one.column, one.target) not in seen:
                seen.add((table, one.column, one.target))
                found.setdefault(one.target, []).append(one)
    return found


def _table(project: Project, key: ForeignKey) -> str:
    """The table that a foreign key is to: `routers.id`, or `l3_models.Router.id`."""
    written = key.target.rpartition(".")[0]
    last = written.rpartition(".")[2]
    for name, model in project.models.by_name.items():
        if name.rpartition(".")[2] == last:
            return table_of(project, model) or last
    return last


def table_of(project: Project, model: Model) -> str:
    """The name of the table of a mapped class; neutron-lib makes it of that of the class. Empty for
    a mixin, and where the name is computed."""
    if model.table:
        return model.table
    ancestors = project.program.mro(model.dotted)
    if any(name.startswith(_NAMING) for name in ancestors[1:]):
        return f"{model.dotted.rpartition('.')[2].lower()}s"
    return ""


def _composite(project: Project, model: Model) -> Iterator[ForeignKey]:
    for call in _table_arguments(project, model):
        if last_step(call.func) == "ForeignKeyConstraint" and len(call.args) > 1:
            columns, targets = (_words(one) for one in call.args[:2])
            yield ForeignKey(
                ", ".join(columns), targets[0] if targets else "", _word(call.keyword("ondelete"))
            )


def _table_arguments(project: Project, model: Model) -> Iterator[Call]:
    """The calls in `__table_args__` of the class and its ancestors."""
    for name in project.program.mro(model.dotted):
        entry = project.program.classes.get(name)
        bound = entry.own.get("__table_args__") if entry is not None else None
        for found in walk(bound.bind.value if bound is not None else None):
            if isinstance(found, Call):
                yield found


def _flag(model: Model, column: str, flag: str) -> bool:
    call = model.columns[column].bind.value
    return isinstance(call, Call) and _is_true(call.keyword(flag))


def _is_made(model: Model, columns: tuple[str, ...]) -> bool:
    if len(columns) != 1:
        return False
    call = model.columns[columns[0]].bind.value
    if not isinstance(call, Call):
        return False
    if any(isinstance(one, Call) and last_step(one.func) == "ForeignKey" for one in walk(call)):
        return False
    if call.keyword("default") is not None or call.keyword("server_default") is not None:
        return True
    kinds = {dotted(one).rpartition(".")[2] for one in walk(call)}
    return bool(kinds & _NUMBERS) or not call.args


def _is_true(expr: Expr | None) -> bool:
    return isinstance(expr, Const) and expr.value is True


def _words(expr: Expr) -> tuple[str, ...]:
    return tuple(_word(item) for item in expr.items) if isinstance(expr, Items) else ()


def _word(expr: Expr | None) -> str:
    if isinstance(expr, Const):
        return str(expr.value)
    return dotted(expr).rpartition(".")[2] if expr is not None else ""
