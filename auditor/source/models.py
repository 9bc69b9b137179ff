"""Mapped classes read from source: tables, columns, keys, relationships. Nothing is imported.

Declarative classes old and new (`Column`, `mapped_column`, `Mapped[...]`), mixins and abstract
bases, backrefs, Flask-SQLAlchemy's `db.Column`, and classes that wrap a mapped one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from auditor.model.knowledge import WrapperRow
from auditor.source.facts import (
    Bind,
    Call,
    Const,
    Expr,
    Items,
    Lambda,
    Name,
    Opaque,
    Return,
    Subscript,
    dotted,
    walk,
)
from auditor.source.program import Bound, ClassEntry, Program, last_step

_COLUMNS = frozenset(("Column", "mapped_column", "column_property", "Field", "synonym"))
_RELATIONS = frozenset(("relationship", "relation", "dynamic_loader", "Relationship"))
_LIBRARIES = ("sqlalchemy", "sqlmodel", "flask_sqlalchemy")
_DECLARED = frozenset(("declared_attr", "cascading", "directive"))
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LISTS = frozenset(("list", "List", "set", "Set", "Sequence", "Collection", "DynamicMapped"))


class ForeignKey(NamedTuple):
    """A foreign key of one column: `target` is `table.column` or dotted names as written."""

    column: str
    target: str
    ondelete: str


class Relationship(NamedTuple):
    """A relationship. `target` is the dotted name of the mapped class, empty if unknown; `lazy` is
    as written, `select` when nothing is. `many` is None when the source does not say."""

    name: str
    target: str
    lazy: str
    many: bool | None
    bound: Bound | None
    backref: str = ""

    @property
    def is_lazy(self) -> bool:
        """Whether reading it on a row that did not load it issues a SELECT."""
        return self.lazy in {"select", "True"}


class Model(NamedTuple):
    """A mapped class or a mixin of one; inherited parts included."""

    dotted: str
    table: str
    columns: Mapping[str, Bound]
    foreign_keys: tuple[ForeignKey, ...]
    uniques: tuple[tuple[str, ...], ...]
    relationships: Mapping[str, Relationship]


@dataclass(frozen=True, slots=True)
class Models:
    """All mapped classes, by dotted name, and what wraps them."""

    by_name: Mapping[str, Model] = field(default_factory=dict)
    wrapped: Mapping[str, tuple[str, WrapperRow]] = field(default_factory=dict)
    """By wrapping class: the mapped class and the convention that says so."""

    def model_of(self, name: str) -> Model | None:
        """The model that rows of a class are of: the class itself or the one it wraps."""
        found = self.by_name.get(name)
        if found is None and name in self.wrapped:
            found = self.by_name.get(self.wrapped[name][0])
        return found


def models_of(program: Program) -> Models:
    """The mapped classes of a program, in order of module and line."""
    own = {name: found for name, e in program.classes.items() if (found := _own(program, e))}
    by_name: dict[str, Model] = {}
    for name in program.classes:
        chain = [own[a] for a in reversed(program.mro(name)) if a in own]
        if chain:
            by_name[name] = _inherited(name, chain)
    _name_tables(by_name)
    _resolve_targets(program, by_name)
    _add_backrefs(by_name)
    return Models(by_name, dict(_wrappers(program)))


def _name_tables(by_name: dict[str, Model]) -> None:
    """Give a class whose base names its table, out of sight, the table that foreign keys tell of:
    `MeteringLabel` is `meteringlabels` where a key leads there and nothing else has that name."""
    named = {model.table for model in by_name.values()}
    pointed = {k.target.partition(".")[0] for m in by_name.values() for k in m.foreign_keys} - named
    for name, model in by_name.items():
        last = name.rpartition(".")[2]
        snake = _HUMP.sub("_", last).lower()
        guesses = (f"{last.lower()}s", last.lower(), snake, f"{snake}s")
        found = next((g for g in guesses if g in pointed), "") if not model.table else ""
        if found:
            by_name[name] = model._replace(table=found)


def _own(program: Program, entry: ClassEntry) -> Model | None:
    columns: dict[str, Bound] = {}
    relations: dict[str, Relationship] = {}
    table = ""
    for name, bound in (*entry.own.items(), *_declared(entry)):
        call = bound.bind.value
        if name == "__tablename__" and isinstance(call, Const):
            table = str(call.value)
        what = _constructor(program, entry, call)
        if what in _COLUMNS or (what == "" and _is_mapped(bound.bind.annotation, relation=False)):
            columns[name] = bound
        elif what in _RELATIONS or _is_mapped(bound.bind.annotation, relation=True):
            relations[name] = _relationship(name, bound)
    if not (table or columns or relations):
        return None
    keys = tuple(k for name, b in columns.items() for k in _foreign_keys(name, b))
    keys += tuple(_key_constraints(entry))
    return Model(entry.dotted, table, columns, keys, tuple(_uniques(entry, columns)), relations)


def _declared(entry: ClassEntry) -> Iterator[tuple[str, Bound]]:
    """What methods under `declared_attr` give, as if the class body assigned it."""
    for name, scope in entry.methods.items():
        if not any(last_step(d) in _DECLARED for d in scope.function.decorators):
            continue
        for position, event in enumerate(scope.function.events):
            if isinstance(event, Return) and isinstance(event.value, (Call, Const)):
                bind = Bind(name, event.value, "assign", event.place, event.region)
                yield name, Bound(scope, position, bind)


def _constructor(program: Program, entry: ClassEntry, expr: Expr | None) -> str:
    """`Column` or `relationship` when the value is made by that; empty otherwise."""
    if not isinstance(expr, Call):
        return ""
    name = last_step(expr.func)
    if name not in _COLUMNS and name not in _RELATIONS:
        return ""
    resolved = program.names.resolve(entry.module, expr.func)
    library = resolved.partition(".")[0]
    if library in _LIBRARIES:
        return name
    written = dotted(expr.func)
    outside = resolved.rpartition(".")[0] not in program.classes
    return name if "." in written and outside and name not in {"Field", "synonym"} else ""


def _is_mapped(annotation: Expr | None, *, relation: bool) -> bool:
    """Whether an annotation is `Mapped[...]` of a column, or of a relationship."""
    if not isinstance(annotation, Subscript) or last_step(annotation.base) != "Mapped":
        return False
    inner = annotation.index
    quoted = isinstance(inner, Const) and isinstance(inner.value, str)
    many = isinstance(inner, Subscript) and last_step(inner.base) in _LISTS
    return (quoted or many) if relation else not (quoted or many)


def _relationship(name: str, bound: Bound) -> Relationship:
    call = bound.bind.value if isinstance(bound.bind.value, Call) else None
    lazy = call.keyword("lazy") if call else None
    uselist = call.keyword("uselist") if call else None
    written = "select" if lazy is None else "unknown"
    if isinstance(lazy, Const):
        written = {None: "noload", False: "joined"}.get(lazy.value, str(lazy.value))  # type: ignore[arg-type]  # any constant may stand there
    if call and last_step(call.func) == "dynamic_loader":
        written = "dynamic"
    many: bool | None = None
    if isinstance(uselist, Const):
        many = bool(uselist.value)
    elif isinstance(bound.bind.annotation, Subscript):
        inner = bound.bind.annotation.index
        many = isinstance(inner, Subscript) and last_step(inner.base) in _LISTS
    return Relationship(name, "", written, many, bound, _backref(call))


def _backref(call: Call | None) -> str:
    """`name:lazy` of what `backref=` makes on the other class, empty for none."""
    backref = call.keyword("backref") if call else None
    if isinstance(backref, Const):
        return f"{backref.value!s}:select"
    if isinstance(backref, Call) and backref.args and isinstance(backref.args[0], Const):
        lazy = backref.keyword("lazy")
        written = "select" if lazy is None else "unknown"
        if isinstance(lazy, Const):
            written = "joined" if lazy.value is False else str(lazy.value)
        return f"{backref.args[0].value!s}:{written}"
    return ""


def _foreign_keys(name: str, bound: Bound) -> Iterator[ForeignKey]:
    for found in walk(bound.bind.value):
        if isinstance(found, Call) and last_step(found.func) == "ForeignKey" and found.args:
            target, ondelete = found.args[0], found.keyword("ondelete")
            yield ForeignKey(
                name,
                str(target.value) if isinstance(target, Const) else dotted(target),
                str(ondelete.value) if isinstance(ondelete, Const) else "",
            )


def _key_constraints(entry: ClassEntry) -> Iterator[ForeignKey]:
    """The columns of each `ForeignKeyConstraint([...], [...])` in `__table_args__`."""
    arguments = entry.own.get("__table_args__")
    for found in walk(arguments.bind.value if arguments else None):
        if not isinstance(found, Call) or last_step(found.func) != "ForeignKeyConstraint":
            continue
        given = [*found.args, found.keyword("columns"), found.keyword("refcolumns")]
        columns, targets, *_ = [one.items for one in given if isinstance(one, Items)] + [(), ()]
        ondelete = found.keyword("ondelete")
        rule = str(ondelete.value) if isinstance(ondelete, Const) else ""
        for column, target in zip(columns, targets, strict=False):
            if isinstance(column, Const):
                to = str(target.value) if isinstance(target, Const) else dotted(target)
                yield ForeignKey(str(column.value), to, rule)


def _uniques(entry: ClassEntry, columns: Mapping[str, Bound]) -> Iterator[tuple[str, ...]]:
    for name, bound in columns.items():
        if _has_flag(bound, "unique"):
            yield (name,)
    arguments = entry.own.get("__table_args__")
    for found in walk(arguments.bind.value if arguments else None):
        if not isinstance(found, Call):
            continue
        if last_step(found.func) == "UniqueConstraint":
            yield tuple(str(a.value) for a in found.args if isinstance(a, Const))
        elif last_step(found.func) == "Index" and _is_true(found.keyword("unique")):
            yield tuple(str(a.value) for a in found.args[1:] if isinstance(a, Const))


def _has_flag(bound: Bound, flag: str) -> bool:
    call = bound.bind.value
    return isinstance(call, Call) and _is_true(call.keyword(flag))


def _is_true(value: Expr | None) -> bool:
    return isinstance(value, Const) and value.value is True


def _inherited(name: str, chain: list[Model]) -> Model:
    columns: dict[str, Bound] = {}
    relations: dict[str, Relationship] = {}
    for part in chain:
        columns.update(part.columns)
        relations.update(part.relationships)
    primary = tuple(column for column, bound in columns.items() if _has_flag(bound, "primary_key"))
    return Model(
        name,
        next((p.table for p in reversed(chain) if p.table), ""),
        columns,
        tuple(k for p in chain for k in p.foreign_keys),
        (*((primary,) if primary else ()), *(u for p in chain for u in p.uniques)),
        relations,
    )


def _resolve_targets(program: Program, models: dict[str, Model]) -> None:
    by_last: dict[str, list[str]] = {}
    for name in models:
        by_last.setdefault(name.rpartition(".")[2], []).append(name)
    for name, model in models.items():
        relations = {
            key: relation._replace(target=_target(program, relation, by_last, models))
            for key, relation in model.relationships.items()
        }
        models[name] = model._replace(relationships=relations)


def _target(
    program: Program,
    relation: Relationship,
    by_last: Mapping[str, list[str]],
    models: Mapping[str, Model],
) -> str:
    if relation.bound is None:
        return relation.target
    bind = relation.bound.bind
    call = bind.value
    written: Expr | None = None
    if isinstance(call, Call):
        written = call.args[0] if call.args else call.keyword("argument")
    written = written or _annotated(bind)
    if isinstance(written, Lambda):
        written = written.body
    if isinstance(written, Const) and isinstance(written.value, str):
        last = written.value.strip("'\"").rpartition(".")[2]
        found = by_last.get(last, [])
        return found[0] if len(found) == 1 else ""
    name = program.names.resolve(relation.bound.scope.module, written)
    return name if name in models else ""


def _annotated(bind: Bind) -> Expr | None:
    """`X` of `Mapped[X]`, `Mapped[list[X]]` and `Mapped["X"]`."""
    inner: Expr | None = bind.annotation
    while isinstance(inner, Subscript):
        inner = inner.index
    while isinstance(inner, (Items, Opaque)):
        parts = inner.items if isinstance(inner, Items) else inner.children
        inner = next((p for p in parts if isinstance(p, (Name, Const))), None)
    return inner


def _add_backrefs(models: dict[str, Model]) -> None:
    for model in list(models.values()):
        for relation in model.relationships.values():
            name, _, lazy = relation.backref.partition(":")
            other = models.get(relation.target)
            if name and other is not None and name not in other.relationships:
                back = Relationship(name, model.dotted, lazy, None, relation.bound)
                models[relation.target] = other._replace(
                    relationships={**other.relationships, name: back}
                )


def _wrappers(program: Program) -> Iterator[tuple[str, tuple[str, WrapperRow]]]:
    for convention in program.knowledge.wrappers.values():
        for name in program.classes:
            mapped = _wrapped(program, name, convention)
            if mapped:
                yield name, (mapped, convention)


def _wrapped(program: Program, name: str, convention: WrapperRow) -> str:
    """The mapped class that a class or its nearest ancestor names, empty if none does."""
    for ancestor in program.mro(name):
        entry = program.classes.get(ancestor)
        bound = entry.own.get(convention.name) if entry is not None else None
        if entry is not None and bound is not None:
            return program.names.resolve(entry.module, bound.bind.value)
    return ""
