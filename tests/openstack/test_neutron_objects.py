"""Neutron's own objects, read from the installed source: who issues statements is seen in the
bodies, not listed in the tables."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from auditor import knowledge
from auditor.model.knowledge import ISSUES, merged
from auditor.source.parse import parse_module
from auditor.source.project import Project, link
from auditor_openstack import knowledge as openstack

pytestmark = [
    pytest.mark.neutron,
    pytest.mark.skipif(
        importlib.util.find_spec("neutron") is None,
        reason="needs Neutron from PyPI: pip install neutron",
    ),
]


def sources() -> Iterator[tuple[str, bytes]]:
    """Dotted name and text of every module below `neutron.objects`."""
    spec = importlib.util.find_spec("neutron")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    root = Path(spec.submodule_search_locations[0])
    for file in sorted((root / "objects").rglob("*.py")):
        parts = file.relative_to(root.parent).with_suffix("").parts
        yield ".".join(parts).removesuffix(".__init__"), file.read_bytes()


@cache
def project() -> Project:
    known = merged((*knowledge.TABLES, *openstack.TABLES))
    return link([parse_module(f"{name}.py", name, text) for name, text in sources()], known)


def names_that_end_a_query() -> set[str]:
    """`module.Class.method` of those that both build a query and take its rows in their bodies."""
    return {
        f"{name}.{cls.name}.{method.name}"
        for name, text in sources()
        for cls in ast.walk(ast.parse(text))
        if isinstance(cls, ast.ClassDef)
        for method in cls.body
        if isinstance(method, ast.FunctionDef) and {"query"} < attributes_called(method) & ENDS
    }


ENDS = {"query", "all", "first", "one", "one_or_none", "scalar", "count", "update", "delete"}


def attributes_called(method: ast.FunctionDef) -> set[str]:
    return {
        node.func.attr
        for node in ast.walk(method)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }


def test_every_method_that_ends_a_query_is_seen_to_issue_it() -> None:
    effects = project().effects
    seen = {
        scope.dotted
        for scope in project().program.scopes
        if ISSUES & set(effects.summaries[scope.key])
    }
    wanted = names_that_end_a_query()
    assert len(wanted) > 10
    assert wanted - seen == set()


@pytest.mark.parametrize("method", ["get_object", "get_objects"])
def test_an_object_without_a_table_issues_nothing(method: str) -> None:
    row = project().knowledge.callable_named(f"neutron.objects.qos.rule_type.QosRuleType.{method}")
    assert row is not None
    assert row.effects == ()
