from __future__ import annotations

import importlib

import pytest

from auditor import registry

LAZY = (
    "auditor.report.laws",
    "auditor.report.sarif",
    "pytest_auditor.queries",
    "pytest_auditor.scaling",
    "pytest_auditor.snapshots",
    "pytest_auditor.suite",
    "sqlalchemy.ext.asyncio",
    "aiosqlite",
)
APP = """
import sqlalchemy as sa
from sqlalchemy.orm import Session, declarative_base, relationship

Base = declarative_base()


class Label(Base):
    __tablename__ = "label"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(9))
    rules = relationship("Rule")


class Rule(Base):
    __tablename__ = "rule"
    id = sa.Column(sa.Integer, primary_key=True)
    label_id = sa.Column(sa.ForeignKey("label.id"))


def fill(session, number):
    session.query(Rule).delete()
    session.query(Label).delete()
    session.add_all(Label(name=str(n), rules=[Rule()]) for n in range(number))
    session.commit()
    session.expunge_all()


def listing(session):
    found = []
    for label in session.query(Label).order_by(Label.id):
        found.append((label.name, len(label.rules)))
    return found


def count(session):
    return session.query(sa.func.count(Label.id)).scalar()
"""
CONFTEST = """
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

import app


@pytest.fixture
def session():
    engine = sa.create_engine("sqlite://")
    app.Base.metadata.create_all(engine)
    with Session(engine) as session:
        app.fill(session, 3)
        yield session
    engine.dispose()
"""


@pytest.fixture(scope="session")
def loaded() -> None:
    """What the plug-in loads lazily, loaded once: pytester forgets what its runs import."""
    assert registry.catalogue().rules
    assert [importlib.import_module(name) for name in LAZY]


@pytest.fixture
def project(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, loaded: None
) -> pytest.Pytester:
    """A project with labels, their rules, and a session with three of each; no CI."""
    for name in ("CI", "BUILD_NUMBER", "PYTEST_CURRENT_TEST"):
        monkeypatch.delenv(name, raising=False)
    # Its plug-in imports hypothesis anew at the end of each inner run: two seconds.
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest")
    pytester.makepyfile(app=APP, conftest=CONFTEST)
    pytester.makeini("[pytest]")
    return pytester
