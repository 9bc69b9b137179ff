from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from auditor.growth.load import load_scenarios, registered
from auditor.model.errors import ScenarioError
from auditor.model.finding import Problem

SOURCE = """
from auditor.growth.scenario import scenario

@scenario(sizes={"a": (1, 2)})
def first(database, a):
    return lambda: None

@scenario(sizes={"a": (1, 2)}, name="shop.second")
def second(database, a):
    return lambda: None

again = first
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "shop_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "shop_scenarios.py").write_text(SOURCE)
    (tmp_path / "broken_shop.py").write_text("x = 1\nraise ValueError('half')\n")
    (tmp_path / "empty_shop.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return package / "shop_scenarios.py"


def plugins(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    found = [
        importlib.metadata.EntryPoint(name, value, "auditor.scenarios")
        for name, value in values.items()
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: tuple(found))


def names(*targets: str) -> list[str]:
    return [scenario.name for scenario in load_scenarios(targets).scenarios]


def complaint(target: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        load_scenarios([target])
    return str(caught.value)


def test_scenarios_are_found_by_file_and_by_module(shop: Path) -> None:
    file = "shop_package/shop_scenarios.py"
    both = ["first", "shop.second"]

    assert names(file) == both
    assert names(f"{file}::first") == ["first"]
    assert names(f"{file}::second") == names(f"{file}::shop.second") == ["shop.second"]
    assert names("shop_package.shop_scenarios:first") == ["first"]
    assert names("shop_package.shop_scenarios") == both
    assert names(file, f"{file}::first") == both


def test_registered_scenarios_are_found_by_group_and_by_name(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins(monkeypatch, shop="shop_package.shop_scenarios")

    assert names("shop") == ["first", "shop.second"]
    assert names("shop.second") == ["shop.second"]


def test_a_missing_name_says_what_is_near_or_what_there_is(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins(monkeypatch, shop="shop_package.shop_scenarios")

    assert complaint("shop_package/shop_scenarios.py::frist") == (
        "`shop_package/shop_scenarios.py::frist`: `shop_package/shop_scenarios.py` holds no"
        " scenario `frist`; did you mean `first`"
    )
    assert complaint("shop_package.shop_scenarios:zzz") == (
        "`shop_package.shop_scenarios:zzz`: `shop_package.shop_scenarios` holds no scenario `zzz`;"
        " found: `first`, `shop.second`"
    )
    assert complaint("nothing.there") == (
        "`nothing.there` names no scenario: it is no registered name and no module that can be"
        " imported, and a file is written `path/to/file.py`; found: `first`, `shop.second`"
    )


def test_a_file_that_is_missing_broken_or_without_scenarios_is_told(shop: Path) -> None:
    assert complaint("gone.py") == "`gone.py`: there is no such file"
    assert complaint("broken_shop.py::x") == (
        "`broken_shop.py` does not run: ValueError: half (broken_shop.py:2 in <module>)"
    )
    assert complaint("broken_shop:x") == (
        "`broken_shop` cannot be imported: ValueError: half (broken_shop.py:2 in <module>)"
    )
    assert complaint("empty_shop.py") == (
        "`empty_shop.py`: `empty_shop.py` holds no scenario; a scenario is a function decorated"
        " with `@auditor.scenario(sizes={...})`"
    )


def test_a_plugin_that_does_not_load_is_a_problem_and_the_others_are_found(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins(monkeypatch, broken="broken_shop", shop="shop_package.shop_scenarios")

    found = registered()

    assert [scenario.name for scenario in found.scenarios] == ["first", "shop.second"]
    assert found.problems == (
        Problem(
            "plug-in broken",
            "the plug-in `broken` (`broken_shop`) cannot be imported: ValueError: half"
            " (broken_shop.py:2 in <module>)",
            hides_results=True,
        ),
    )
    assert names("shop.second") == ["shop.second"]
