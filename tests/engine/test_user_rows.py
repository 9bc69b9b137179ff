from __future__ import annotations

import pytest

from auditor.engine.knowing import knowledge_with, row_of
from auditor.model.errors import SettingsError
from auditor.model.knowledge import (
    CallableRow,
    Effect,
    How,
    Of,
    ReceiverRow,
    RetryRow,
    Row,
    SinkRow,
    Takes,
)
from auditor.model.settings import KnowledgeRow


@pytest.mark.parametrize(
    ("table", "fields", "row"),
    [
        (
            "callables",
            {"name": "ourlib.fetch", "effects": "read,flush", "lazy": "true", "of": "receiver"},
            CallableRow(
                "ourlib.fetch",
                "settings",
                effects=(Effect.READ, Effect.FLUSH),
                lazy=True,
                of=Of.RECEIVER,
            ),
        ),
        (
            "receivers",
            {"name": "ourlib.DB", "kind": "session", "how": "class", "source": "ours"},
            ReceiverRow("ourlib.DB", "session", How.CLASS, "ours"),
        ),
        (
            "retries",
            {"name": "ourlib.retry", "retries": "ours.Busy", "switches": "on_lock=ours.Locked"},
            RetryRow(
                "ourlib.retry",
                "settings",
                retries=("ours.Busy",),
                switches=(("on_lock", "ours.Locked"),),
            ),
        ),
        (
            "sinks",
            {"name": "run", "on": "session", "position": "1", "takes": "fragment"},
            SinkRow("run", "settings", on="session", takes=Takes.FRAGMENT, position=1),
        ),
    ],
)
def test_a_row_is_read_by_the_types_of_its_fields(
    table: str, fields: dict[str, str], row: Row
) -> None:
    assert row_of(KnowledgeRow(table, tuple(fields.items()))) == row


@pytest.mark.parametrize(
    ("table", "fields", "message"),
    [
        (
            "calls",
            {},
            ("`knowledge.calls`: there is no such table; there are `callables`, `receivers`,"
            " `contexts`, `retries`, `errors`, `sinks`"),
        ),
        ("callables", {"on": "session"}, "a row of `knowledge.callables` lacks `name`"),
        (
            "retries",
            {"nmae": "x"},
            ("`knowledge.retries` has `nmae`; its fields are `name`, `source`, `retries`,"
            " `switches`, `steps_back`, `copies`, `samples`, `near_misses`"),
        ),
        (
            "callables",
            {"name": "x", "lazy": "1"},
            "`knowledge.callables` has `lazy = 1`: it must be true or false",
        ),
        (
            "sinks",
            {"name": "x", "takes": "bytes"},
            "`knowledge.sinks` has `takes = bytes`: it must be one of `statement`, `fragment`",
        ),
        (
            "retries",
            {"name": "x", "switches": "a"},
            "`knowledge.retries` has `switches = a`: it must be a list of `name=value`",
        ),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_an_error(
    table: str, fields: dict[str, str], message: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        row_of(KnowledgeRow(table, tuple(fields.items())))
    assert str(raised.value) == message


def test_rows_of_the_user_outrank_the_built_in_ones() -> None:
    row = KnowledgeRow("callables", (("name", "all"), ("on", "query"), ("returns", "number")))
    knowledge, problems = knowledge_with((row,))
    assert problems == ()
    assert knowledge.methods["query", "all"] == row_of(row)
