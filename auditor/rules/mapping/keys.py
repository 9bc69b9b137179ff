"""Columns, keys and indexes of mapped tables, as the rules of family 5xx see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from auditor.source.facts import (
    At,
    Attribute,
    Bind,
    Call,
    Const,
    Expr,
    Items,
    ModuleFacts,
    Name,
    Pairs,
    Subscript,
    dotted,
    walk,
)
from auditor.source.models import Model
from auditor.source.program import Bound, Scope, last_step
from auditor.source.project import Project

PRIMARY, UNIQUE, INDEX = "primary key", "unique constraint", "index"
_CONSTRAINTS = {
    "PrimaryKeyConstraint": PRIMARY, "UniqueConstraint": UNIQUE, "Index": INDEX,
}  # fmt: skip
_OPTIONS = ("postgresql_", "mysql_", "mariadb_", "sqlite_", "oracle_", "mssql_")


class Key(NamedTuple):
    """A key or index: its columns by attribute name in order, where it is written, and whether
    options of a dialect (a condition, a prefix length) make it more than its columns."""

    kind: str
    columns: tuple[str, ...]
    module: ModuleFacts
    at: At
    is_special: bool


class Keys(NamedTuple):
    """The keys of one table; `is_whole` is False when some of them cannot be read."""

    keys: tuple[Key, ...]
    is_whole: bool


def is_migration(module: ModuleFacts) -> bool:
    """Whether a module changes the schema: the classes in it are excerpts of tables."""
    if module.name.rpartition(".")[2] in {"migration", "migrations"}:
        return True
    return any(name.split(".")[0] == "alembic" for name in module.imports.values())


def tables_of(project: Project, module: ModuleFacts) -> Iterator[Model]:
    """The mapped classes of a module that have a table of their own, in order of line."""
    if is_migration(module):
        return
    for name, model in project.models.by_name.items():
        entry = project.program.classes[name]
        if entry.module is module and "__tablename__" in entry.own and model.columns:
            yield model


def own_columns(project: Project, module: ModuleFacts) -> Iterator[tuple[Model, str, Bound]]:
    """The columns written in the classes of a module, mixins included, each with a model whose
    table has it."""
    if is_migration(module):
        return
    by_class: dict[str, list[Model]] = {}
    for name, model in project.models.by_name.items():
        if model.table:
            for ancestor in project.program.mro(name):
                by_class.setdefault(ancestor, []).append(model)
    for name in project.models.by_name:
        entry = project.program.classes[name]
        models = by_class.get(name, [])
        if entry.module is not module or not models:
            continue
        for column, bound in models[0].columns.items():
            if entry.own.get(column) is bound:
                yield models[0], column, bound


def keys_of(project: Project, model: Model) -> Keys:
    """The keys and indexes that the source gives a table: those of its columns, those in its
    `__table_args__` and any `Index(...)` elsewhere in the project."""
    found: list[Key] = list(_of_columns(model))
    whole = True
    for ancestor in project.program.mro(model.dotted):
        entry = project.program.classes.get(ancestor)
        if entry is None:
            continue
        whole = whole and not any(_is_declared(method) for method in entry.methods.values())
        bound = entry.own.get("__table_args__")
        if bound is not None:
            found.extend(_of_arguments(model, bound))
            whole = whole and _is_display(bound.bind.value)
    found.extend(_made_elsewhere(project, model))
    return Keys(tuple(found), whole)


def _is_declared(method: Scope) -> bool:
    """`@declared_attr def owner_id(cls): return Column(...)`: a column that is not read."""
    return any("declared_attr" in dotted(d) for d in method.function.decorators)


def _is_display(expr: Expr | None) -> bool:
    return isinstance(expr, (Items, Pairs))


def _of_columns(model: Model) -> Iterator[Key]:
    primary = [(n, b) for n, b in model.columns.items() if flag(b, "primary_key")]
    if primary:
        bound = primary[0][1]
        names = tuple(name for name, _ in primary)
        yield Key(PRIMARY, names, bound.scope.module, bound.bind.at, is_special=False)
    for name, bound in model.columns.items():
        if flag(bound, "unique") or flag(bound, "index"):
            kind = UNIQUE if flag(bound, "unique") else INDEX
            yield Key(kind, (name,), bound.scope.module, bound.bind.at, is_special=False)


def flag(bound: Bound, name: str) -> bool:
    """Whether a column is written with `name=True`."""
    call = bound.bind.value
    value = call.keyword(name) if isinstance(call, Call) else None
    return isinstance(value, Const) and value.value is True


def _of_arguments(model: Model, bound: Bound) -> Iterator[Key]:
    for found in walk(bound.bind.value):
        if isinstance(found, Call) and last_step(found.func) in _CONSTRAINTS:
            kind = _CONSTRAINTS[last_step(found.func)]
            arguments = found.args[1:] if kind == INDEX else found.args
            yield _key(model, bound.scope.module, found, kind=kind, columns=arguments)


def _key(
    model: Model, module: ModuleFacts, call: Call, *, kind: str, columns: tuple[Expr, ...]
) -> Key:
    names = tuple(_attribute(model, column) for column in columns)
    special = any(k.name.startswith(_OPTIONS) for k in call.keywords) or not all(names)
    unique = call.keyword("unique")
    if kind == INDEX and isinstance(unique, Const) and unique.value is True:
        kind = UNIQUE
    return Key(kind, names, module, call.at, special)


def _attribute(model: Model, expr: Expr) -> str:
    """The attribute that a column in a constraint is, empty for an expression."""
    if isinstance(expr, (Name, Attribute)):
        last = dotted(expr).rpartition(".")[2]
        return last if last in model.columns else ""
    if not isinstance(expr, Const) or not isinstance(expr.value, str):
        return ""
    for name, bound in model.columns.items():
        if expr.value == column_name(name, bound):
            return name
    return expr.value


def column_name(attribute: str, bound: Bound) -> str:
    """The name of a column in the database."""
    call = bound.bind.value
    if isinstance(call, Call):
        written = call.args[0] if call.args else call.keyword("name")
        if isinstance(written, Const) and isinstance(written.value, str):
            return written.value
    return attribute


def _made_elsewhere(project: Project, model: Model) -> Iterator[Key]:
    last = model.dotted.rpartition(".")[2]
    for site in project.program.calls.get("Index", ()):
        columns = site.call.args[1:]
        owners = {dotted(c).split(".")[-2] for c in columns if dotted(c).count(".") > 0}
        if owners & {last}:
            yield _key(model, site.scope.module, site.call, kind=INDEX, columns=columns)


def migrated_indexes(project: Project, model: Model) -> Iterator[Key]:
    """The indexes that migrations make, which the classes may or may not mention."""
    for site in project.program.calls.get("create_index", ()):
        args = site.call.args
        if len(args) > 2 and isinstance(args[1], Const) and args[1].value == model.table:  # noqa: PLR2004 - name, table, columns
            columns = args[2].items if isinstance(args[2], Items) else ()
            yield _key(model, site.scope.module, site.call, kind=INDEX, columns=columns)


def is_nullable(bound: Bound) -> bool | None:
    """Whether a column may be NULL; None when the source does not say."""
    call = bound.bind.value
    if flag(bound, "primary_key"):
        return False
    written = call.keyword("nullable") if isinstance(call, Call) else None
    if isinstance(written, Const):
        return bool(written.value)
    if written is not None:
        return None
    if bound.bind.annotation is not None:
        return _is_optional(bound.bind)
    return True if isinstance(call, Call) and last_step(call.func) == "Column" else None


def _is_optional(bind: Bind) -> bool:
    inner = bind.annotation
    if not isinstance(inner, Subscript):
        return False
    return any(
        (isinstance(e, Const) and e.value is None) or last_step(e) == "Optional"
        for e in walk(inner.index)
    )


def type_of(bound: Bound) -> Expr | None:
    """The type written for a column, None when it is left to the annotation or a foreign key."""
    call = bound.bind.value
    if not isinstance(call, Call):
        return None
    for arg in call.args[:2]:
        step = last_step(arg.func if isinstance(arg, Call) else arg)
        if step and step != "ForeignKey" and not isinstance(arg, Const):
            return arg
    return call.keyword("type_")
