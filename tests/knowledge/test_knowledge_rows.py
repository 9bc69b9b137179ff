from __future__ import annotations

from collections.abc import Iterator

import pytest

from auditor import knowledge
from auditor.model.knowledge import (
    CallableRow,
    ContextRow,
    ErrorRow,
    Knowledge,
    ReceiverRow,
    RetryRow,
    Row,
    SinkRow,
    Table,
    WrapperRow,
    merged,
)
from auditor.source.facts import Attribute, Bind, Call, FunctionFacts, ModuleFacts, Name
from auditor.source.parse import parse_module
from auditor.source.project import Project, link
from auditor.source.results import context_of
from auditor_openstack import knowledge as openstack

TABLES = (*knowledge.TABLES, *openstack.TABLES)


def _project(source: str, known: Knowledge) -> tuple[Project, ModuleFacts]:
    module = parse_module("sample.py", "sample", source.encode())
    return link([module], known), module


def _calls(module: ModuleFacts) -> Iterator[tuple[FunctionFacts, int, Call]]:
    for function in module.functions:
        for position, event in enumerate(function.events):
            if isinstance(event, Call):
                yield function, position, event


def _calls_row(project: Project, module: ModuleFacts, row: CallableRow) -> bool:
    return any(
        target.row is row
        for function, position, call in _calls(module)
        for target in project.targets(function, position, call)
    )


def _is_received(project: Project, module: ModuleFacts, row: ReceiverRow) -> bool:
    return any(value == row.kind for value in _kinds_of_it(project, module))


def _kinds_of_it(project: Project, module: ModuleFacts) -> Iterator[str]:
    for function in module.functions:
        names = {p.name for p in function.parameters}
        binds = [e for e in function.events if isinstance(e, Bind) and e.target == "it"]
        if binds or "it" in names:
            end = len(function.events)
            yield project.value(module, function, end, Name("it")).kind


def _opens(project: Project, module: ModuleFacts, row: ContextRow) -> bool:
    return any(
        row in project.decorating_contexts(module, function) or row in _blocks(project, function)
        for function in module.functions
    )


def _blocks(project: Project, function: FunctionFacts) -> list[ContextRow | None]:
    scope = project.program.scope_of(function)
    return [
        context_of(project.inference, scope, max(region.first - 1, 0), item.expr)
        for region in function.regions
        for item in region.items
    ]


def _retries(project: Project, module: ModuleFacts, row: RetryRow) -> bool:
    decorators = [one for function in module.functions for one in function.decorators]
    names = [project.resolve(module, d.func if isinstance(d, Call) else d) for d in decorators]
    return any(project.knowledge.retries.get(name) is row for name in names)


def _is_error(project: Project, module: ModuleFacts, row: ErrorRow) -> bool:
    binds = [e for e in module.body.events if isinstance(e, Bind) and e.target == "it"]
    names = [project.resolve(module, bind.value) for bind in binds]
    return any(project.knowledge.errors.get(name) is row for name in names)


def _sinks(project: Project, module: ModuleFacts, row: SinkRow) -> bool:
    for function, position, call in _calls(module):
        found = project.knowledge.sinks.get(("", project.resolve(module, call.func)), ())
        if isinstance(call.func, Attribute):
            kind = project.value(module, function, position, call.func.base).kind
            found = (*found, *project.knowledge.sinks.get((kind, call.func.name), ()))
        if row in found:
            return True
    return False


def _wraps(project: Project, module: ModuleFacts, row: WrapperRow) -> bool:
    return any(convention is row for _, convention in project.models.wrapped.values())


def matches(row: Row, source: str, known: Knowledge) -> bool:
    project, module = _project(source, known)
    match row:
        case CallableRow():
            return _calls_row(project, module, row)
        case ReceiverRow():
            return _is_received(project, module, row)
        case ContextRow():
            return _opens(project, module, row)
        case RetryRow():
            return _retries(project, module, row)
        case ErrorRow():
            return _is_error(project, module, row)
        case SinkRow():
            return _sinks(project, module, row)
        case WrapperRow():
            return _wraps(project, module, row)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_row_matches_its_samples_and_none_of_its_near_misses(table: Table) -> None:
    known = merged(TABLES)
    wrong = [
        (row.name, source)
        for row in table.rows
        for sources, wanted in ((row.samples, True), (row.near_misses, False))
        for source in sources
        if matches(row, source, known) is not wanted
    ]
    assert wrong == []


def test_every_row_has_samples_near_misses_and_a_source() -> None:
    bare = [
        (table.name, row.name)
        for table in TABLES
        for row in table.rows
        if not (row.samples and row.near_misses and row.source.startswith("https://"))
    ]
    assert bare == []


def test_a_later_row_outranks_an_earlier_one() -> None:
    first = CallableRow("lib.load", "https://example.org/1")
    second = CallableRow("lib.load", "https://example.org/2")
    tables = (Table("first", (first,)), Table("second", (second,)))
    assert merged(tables).callable_named("lib.load") is second


def test_a_star_stands_for_one_or_more_steps() -> None:
    row = CallableRow("lib.objects.*.load", "https://example.org")
    known = merged([Table("lib", (row,))])
    names = ("lib.objects.load", "lib.objects.A.load", "lib.objects.b.A.load", "lib.other.A.load")
    assert [known.callable_named(name) is row for name in names] == [False, True, True, False]


def test_an_error_is_below_its_bases_and_its_aliases() -> None:
    known = merged(TABLES)
    assert known.error_bases("sqlalchemy.orm.exc.NoResultFound") == (
        "sqlalchemy.exc.NoResultFound",
        "sqlalchemy.exc.InvalidRequestError",
        "sqlalchemy.exc.SQLAlchemyError",
        "builtins.Exception",
    )
    assert known.is_error("oslo_db.exception.DBConsistencyError", "oslo_db.exception.DBDeadlock")
    assert not known.is_error("oslo_db.exception.DBDeadlock", "sqlalchemy.exc.DBAPIError")
