"""Recording from the start, on engines that oslo.db makes later."""

from __future__ import annotations

import sqlalchemy
from oslo_db.sqlalchemy import enginefacade

from auditor.runtime.recorder import record


def test_recording_changes_nothing_for_engines_that_oslo_db_makes_later() -> None:
    manager = enginefacade.transaction_context()
    with record() as recording:
        manager.configure(connection="sqlite://", logging_name="audited")
        engine = manager.writer.get_engine()
        with engine.connect() as connection:
            assert connection.scalar(sqlalchemy.text("SELECT 41 + 1")) == 42
    assert engine.logging_name == "audited"
    counts = {entry.shape: entry.executions for entry in recording.tape.entries}
    assert counts["SELECT ? + ?"] == 1
    engine.dispose()
