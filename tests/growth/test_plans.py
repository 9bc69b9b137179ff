"""Tables that a workload reads whole while they grow."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from auditor.backends.scratch import open_scratch
from auditor.growth.load import load_scenarios
from auditor.growth.plans import table_scans
from auditor.growth.workload import prepared
from auditor.model.law import TableScan
from auditor.model.span import Frame

ASYNC = """
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

import auditor

TABLE = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True),
                 sa.Column("up", sa.Integer))


async def tables(database):
    engine = create_async_engine(database.url.replace("sqlite:", "sqlite+aiosqlite:"))
    async with engine.begin() as connection:
        await connection.run_sync(TABLE.metadata.create_all)
    return engine


@auditor.scenario(sizes={"rows": (1, 2, 4)}, prepare=tables)
async def children(engine, rows):
    async with engine.begin() as connection:
        await connection.execute(TABLE.insert(), [{"up": up} for up in range(rows)])

    async def call():
        async with engine.connect() as connection:
            for up in range(rows):
                (await connection.execute(sa.select(TABLE).where(TABLE.c.up == up))).all()
        await engine.dispose()

    return call
"""


def test_a_scan_of_an_async_program_with_its_site_rows_and_plan(tmp_path: Path) -> None:
    pytest.importorskip("aiosqlite")
    file = tmp_path / "work.py"
    file.write_text(ASYNC)
    (scenario,) = load_scenarios([str(file)]).scenarios
    with open_scratch("sqlite://") as database, prepared(database, scenario) as (workload,):
        scans = table_scans(workload, {"rows": 2}, {"rows": 5})
    (scan,) = scans
    assert scan.stack[0] == Frame("work.py", 26, "children.call")
    assert replace(scan, stack=()) == TableScan(
        table="t",
        columns=("up",),
        shape="SELECT t.id, t.up FROM t WHERE t.up = ?",
        stack=(),
        rows=(2, 5),
        fetched=(Fraction(1), Fraction(1)),
        executions=5,
        plan="SCAN t",
    )
