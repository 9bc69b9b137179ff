"""Context managers that the audited program writes for its sessions."""

from __future__ import annotations

import textwrap

import pytest

from auditor.engine.knowing import knowledge_with
from auditor.source.parse import parse_module
from auditor.source.project import link

HEAD = """
import contextlib
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

Session = sessionmaker(create_engine("sqlite://"))


"""
COMMITS = """
@contextlib.contextmanager
def scope():
    session = Session()
    try:
        yield session
        session.commit()
    except Exception:
        session.rollback()
        raise
"""
BEGINS = """
@contextlib.contextmanager
def scope():
    with Session.begin() as session:
        yield session
"""
PASSES_ON = """
@contextlib.contextmanager
def inner():
    with Session.begin() as session:
        yield session

@contextlib.asynccontextmanager
async def scope():
    with inner() as session:
        yield session
"""
CLASS = """
class scope:
    def __enter__(self):
        self.session = Session()
        return self.session

    def __exit__(self, *error):
        self.session.commit()
"""
CLOSES = """
@contextlib.contextmanager
def scope():
    with Session() as session:
        yield session
"""
COMMITS_BEFORE = """
@contextlib.contextmanager
def scope():
    session = Session()
    session.commit()
    yield session
"""
NO_MANAGER = """
def scope():
    session = Session()
    yield session
    session.commit()
"""
OTHER_COMMIT = """
@contextlib.contextmanager
def scope(repository):
    yield Session()
    repository.commit()
"""
ITSELF = """
@contextlib.contextmanager
def scope():
    with scope() as session:
        yield session
"""


@pytest.mark.parametrize(
    ("manager", "modes"),
    [
        pytest.param(COMMITS, ["session scope"], id="commits after its yield"),
        pytest.param(BEGINS, ["plain"], id="yields inside a transaction"),
        pytest.param(PASSES_ON, ["plain"], id="yields inside another of the program"),
        pytest.param(CLASS, ["session scope"], id="a class that commits on exit"),
        pytest.param(CLOSES, [], id="opens and closes only"),
        pytest.param(COMMITS_BEFORE, [], id="commits before its yield"),
        pytest.param(NO_MANAGER, [], id="a generator that is no context manager"),
        pytest.param(OTHER_COMMIT, [], id="commits what is no session"),
        pytest.param(ITSELF, [], id="enters itself"),
    ],
)
def test_a_block_of_an_own_manager_has_the_mode_of_what_it_does(
    manager: str, modes: list[str]
) -> None:
    use = "\n\ndef use():\n    with scope() as session:\n        session.add(1)\n"
    source = HEAD + textwrap.dedent(manager) + use
    module = parse_module("own.py", "own", source.encode())
    project = link([module], knowledge_with()[0])
    (function,) = (one for _, one in project.functions() if one.qualname == "use")
    (region,) = (one for one in function.regions if one.kind == "with")
    assert [row.mode.value for row in project.block_contexts(module, function, region)] == modes
