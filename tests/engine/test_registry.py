from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from auditor import registry
from auditor.engine.knowing import knowledge_with
from auditor.model.finding import Problem
from auditor.model.knowledge import CallableRow, Table
from auditor.rule import Rule

MakeRule = Callable[..., Rule]


@dataclass(frozen=True, slots=True)
class Package:
    name: str


@dataclass(frozen=True, slots=True)
class Door:
    """A plug-in of the package `acme`."""

    name: str
    gives: Any
    value: str = "acme.rules:RULES"
    dist: Package = Package("acme")

    def load(self) -> Any:
        if isinstance(self.gives, BaseException):
            raise self.gives
        return self.gives


def test_a_plug_in_that_does_not_load_is_a_problem_and_the_others_go_on(
    make_rule: MakeRule,
) -> None:
    rule = make_rule()
    doors = (Door("bad", ImportError("no module named `x`")), Door("good", (rule,)))
    assert registry.catalogue(doors) == registry.Catalogue(
        (rule,),
        (
            Problem(
                "plug-in bad (acme)",
                "`acme.rules:RULES` does not load: ImportError: no module named `x`",
                hides_results=True,
            ),
        ),
    )


def test_an_entry_point_to_nothing_is_a_problem() -> None:
    door = EntryPoint("lost", "acme_is_not_installed:RULES", "auditor.rules")
    (problem,) = registry.catalogue([door]).problems
    assert problem.message == (
        "`acme_is_not_installed:RULES` does not load: ModuleNotFoundError:"
        " No module named 'acme_is_not_installed'"
    )


def test_what_is_not_a_rule_is_a_problem_and_the_rules_beside_it_are_kept(
    make_rule: MakeRule,
) -> None:
    rule = make_rule()
    catalogue = registry.catalogue([Door("mixed", (rule, "DBA1")), Door("none", None)])
    assert catalogue.rules == (rule,)
    assert [p.message for p in catalogue.problems] == [
        "gave `'DBA1'`, not a Rule",
        "gave `None`, not a Rule",
    ]


def test_the_first_of_two_rules_with_one_code_is_kept(make_rule: MakeRule) -> None:
    first, second = make_rule(), make_rule(name="other")
    catalogue = registry.catalogue([Door("a", (first,)), Door("b", (second,))])
    assert catalogue.rules == (first,)
    assert [p.message for p in catalogue.problems] == [
        "gives a second rule `DBA901` (other); the first one is kept"
    ]


def test_rules_are_found_by_code_and_by_name(make_rule: MakeRule) -> None:
    catalogue = registry.Catalogue((make_rule(),))
    assert catalogue.rule("dba901") == catalogue.rule("called-execute") == make_rule()
    assert catalogue.rule("DBA9") is None


@pytest.mark.parametrize("group", ["auditor.rules", "auditor.knowledge"])
def test_without_entry_points_the_built_ins_are_there(
    group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: ())
    (door,) = registry.doors(group)
    assert len(door.load()) > 0


def test_the_installed_catalogue_loads_whole_and_in_order() -> None:
    catalogue = registry.catalogue()
    codes = [rule.code for rule in catalogue.rules]
    assert (catalogue.problems, codes) == ((), sorted(set(codes)))


def test_a_renderer_that_cannot_be_called_is_a_problem() -> None:
    good, problems = registry.renderers([Door("toml", str), Door("bad", 3)])
    assert good == {"toml": str}
    assert [p.message for p in problems] == ["gave `3`, not a function from a report to text"]


def test_tables_of_plug_ins_are_merged_and_others_are_problems() -> None:
    row = CallableRow("acme.fetch", "acme's manual")
    knowledge, problems = knowledge_with(
        (), [Door("one", Table("acme", (row,))), Door("bad", ("acme",))]
    )
    assert knowledge.callables == {"acme.fetch": row}
    assert [p.message for p in problems] == ["gave `('acme',)`, not knowledge tables"]
