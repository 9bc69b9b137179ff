"""Every row of the names that stand for a database layer means its samples, not its near misses."""

from __future__ import annotations

import ast

import pytest

from auditor.knowledge.layers import LAYERS, READS, WRITES, LayerRow, VerbRow


def paths_of(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The path that is called, and that of its first argument."""
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    func, first = ast.unparse(call.func), ast.unparse(call.args[0])
    return tuple(func.split(".")), tuple(first.split("."))


@pytest.mark.parametrize("row", LAYERS, ids=lambda row: row.source)
def test_a_layer_is_its_owner_and_what_it_is_handed(row: LayerRow) -> None:
    assert [text for text in row.samples if not row.is_meant(*paths_of(text))] == []
    assert [text for text in row.near_misses if row.is_meant(*paths_of(text))] == []


@pytest.mark.parametrize("row", [READS, WRITES], ids=lambda row: row.does)
def test_a_verb_is_a_whole_word_of_a_name_that_makes_nothing(row: VerbRow) -> None:
    assert [name for name in row.samples if not row.is_meant(name)] == []
    assert [name for name in row.near_misses if row.is_meant(name)] == []
