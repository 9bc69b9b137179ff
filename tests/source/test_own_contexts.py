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


def test_the_programs_own_decorator_and_the_context_it_hands_out_are_known() -> None:
    source = """
from oslo_db.sqlalchemy import enginefacade

manager = enginefacade.transaction_context()

def writes(function):
    def wrapped(context, *args):
        with manager.writer.using(context):
            return function(context, *args)
    return wrapped

def _wrap(session):
    return session

def opened(context):
    return _wrap(manager.writer.using(context))

@writes
def decorated(context):
    context.session.add(1)

def blocked(context):
    with opened(context) as session:
        session.add(1)
"""
    module = parse_module("app.py", "app", source.encode())
    project = link([module], knowledge_with()[0])
    by_name = {f.name: f for f in module.functions}
    decorated, blocked = by_name["decorated"], by_name["blocked"]
    found = [row.mode for row in project.decorating_contexts(module, decorated)]
    region = next(r for r in blocked.regions if r.kind == "with")
    found += [row.mode for row in project.block_contexts(module, blocked, region)]
    assert [mode.value for mode in found] == ["writer", "writer"]
