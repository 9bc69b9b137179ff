"""Whatever the tables: seeding writes exactly what was asked, or says why it cannot."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from sqlalchemy.pool import StaticPool
from sqlalchemy.schema import CreateTable

import auditor
from auditor.model.errors import SeedError

TYPES = (
    sa.Integer(),
    sa.SmallInteger(),
    sa.Boolean(),
    sa.String(1),
    sa.String(8),
    sa.String(36),
    sa.Text(),
    sa.Enum("a", "b", "c", name="letters"),
    sa.Date(),
    sa.DateTime(),
    sa.Numeric(3, 1),
    sa.LargeBinary(),
    sa.JSON(),
)
PLAIN = [type_ for type_ in TYPES if not isinstance(type_, sa.JSON)]


@st.composite
def metadatas(draw: st.DrawFn) -> sa.MetaData:
    """One to four tables with plain columns, foreign keys in all directions and unique sets."""
    metadata = sa.MetaData()
    names = [f"t{number}" for number in range(draw(st.integers(1, 4)))]
    for name in names:
        table = sa.Table(name, metadata)
        _add_columns(draw, table)
        for place in range(draw(st.integers(0, 3))):
            parent = draw(st.sampled_from(names))
            nullable = draw(st.booleans())
            target = sa.ForeignKey(f"{parent}.id")
            table.append_column(sa.Column(f"f{place}", sa.Integer, target, nullable=nullable))
        _add_unique_sets(draw, table)
    return metadata


def _add_columns(draw: st.DrawFn, table: sa.Table) -> None:
    table.append_column(sa.Column("id", sa.Integer, primary_key=True))
    for place in range(draw(st.integers(0, 3))):
        nullable = draw(st.booleans())
        type_: sa.types.TypeEngine[Any] = draw(st.sampled_from(TYPES))
        if draw(st.integers(0, 5)) == 0:
            filled = sa.Column(f"c{place}", sa.Integer, nullable=nullable, server_default="0")
        else:
            filled = sa.Column(f"c{place}", type_, nullable=nullable)
        table.append_column(filled)


def _add_unique_sets(draw: st.DrawFn, table: sa.Table) -> None:
    names = [c.name for c in table.columns if c.name != "id" and not isinstance(c.type, sa.JSON)]
    for _ in range(draw(st.integers(0, 2)) if names else 0):
        chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
        table.append_constraint(sa.UniqueConstraint(*chosen))


def fresh_engine(metadata: sa.MetaData) -> sa.Engine:
    engine = sa.create_engine("sqlite://", poolclass=StaticPool, future=True)
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
    metadata.create_all(engine)
    return engine


def counted(engine: sa.Engine, metadata: sa.MetaData) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for name, table in metadata.tables.items()
        }


def written_or_reason(
    engine: sa.Engine, metadata: sa.MetaData, asked: dict[str, int]
) -> dict[str, int] | str:
    try:
        return auditor.seed(engine, metadata, asked)
    except SeedError as error:
        return str(error)


@pytest.mark.filterwarnings("ignore:Cannot correctly sort tables")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(metadata=metadatas(), data=st.data())
def test_exactly_the_asked_rows_or_a_reason(metadata: sa.MetaData, data: st.DataObject) -> None:
    names = sorted(metadata.tables)
    asked = data.draw(st.dictionaries(st.sampled_from(names), st.integers(0, 30), min_size=1))
    engine = fresh_engine(metadata)
    note("".join(str(CreateTable(table)) for table in metadata.tables.values()))
    written = written_or_reason(engine, metadata, asked)
    counts = counted(engine, metadata)
    with engine.connect() as connection:
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    engine.dispose()
    if isinstance(written, str):
        assert "the database refused" not in written
        assert set(counts.values()) == {0}
        return
    assert {name: counts[name] for name in asked} == asked
    assert {name: rows for name, rows in counts.items() if rows} == written
    assert broken == []
