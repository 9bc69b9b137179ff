from __future__ import annotations

from auditor.model.tape import Tape
from auditor.report.tapes import tape_as_json, tape_from_json


def test_a_tape_is_read_back_as_it_was_written(tape: Tape) -> None:
    assert tape_from_json(tape_as_json(tape)) == tape


def test_totals_stand_first(tape: Tape) -> None:
    assert dict(list(tape_as_json(tape).items())[:3]) == {
        "statements": 1200,
        "rows": 2400,
        "processes": 1,
    }
