from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

from auditor.growth.blame import blamed


def stored_without_name() -> None:
    registry = orm.registry()
    table = sa.Table("t", registry.metadata, sa.Column("a", sa.Integer, primary_key=True))
    thing = type("Thing", (), {})
    registry.map_imperatively(thing, table)
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.NullPool, future=True)
    with orm.Session(engine, future=True) as session:
        session.add(thing())
        session.commit()


def test_the_place_of_an_error_is_the_programs_and_not_code_that_sqlalchemy_generates() -> None:
    with pytest.raises(sa.exc.OperationalError) as caught:
        stored_without_name()
    line = stored_without_name.__code__.co_firstlineno + 8
    said = blamed(caught.value)
    assert said.startswith("OperationalError: (sqlite3.OperationalError) no such table: t ")
    assert said.endswith(f" (test_blame.py:{line} in stored_without_name)")


def test_an_error_that_the_program_had_no_part_in_has_no_place() -> None:
    assert blamed(LookupError("no\n shelf")) == "LookupError: no shelf"
