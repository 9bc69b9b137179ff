"""DBA412: a value is read, changed in Python and written back, with no lock and no version."""

from __future__ import annotations

from auditor.model.evidence import SourcePath, Step
from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import ROW, ROW_OR_NONE
from auditor.model.tape import Tape
from auditor.rule import Example, Hit, Hits, LiveExample, OnFunction, OnTape, Rule
from auditor.rules.places import span_of
from auditor.rules.transactions.computed import changes_of, is_locked, is_versioned
from auditor.rules.transactions.happened import (
    evidence_of_step,
    is_prepared,
    line_of,
    opened_words,
    span_of_frame,
)
from auditor.rules.transactions.updates import Update, unguarded_updates
from auditor.source.facts import FunctionFacts, ModuleFacts, Name
from auditor.source.project import Project

_KINDS = frozenset((ROW, ROW_OR_NONE))


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Columns of a row that the function has loaded, set to a value made of their old one."""
    changes = list(changes_of(function))
    if not changes or is_locked(project, function):
        return
    told: set[str] = set()
    for change in changes:
        base, _, column = change.target.rpartition(".")
        if not base.isidentifier() or base in told:
            continue
        value = project.value(module, function, change.position, Name(base))
        model = project.models.model_of(value.name) if value.kind in _KINDS else None
        if model is None or column not in model.columns or is_versioned(project, model.dotted):
            continue
        told.add(base)  # one lock is enough for all columns of a row
        name = model.dotted.rpartition(".")[2]
        fields = {
            "target": change.target,
            "table": f"rows of `{name}`",
            "seen": "loaded in this function without a lock",
            "fix": _fix(base, column, name),
        }
        yield Hit(span_of(module, change.at), function.qualname, fields)


def recorded(tape: Tape, project: Project) -> Hits:
    """Updates of rows that their transaction had read without a lock, where the source computes the
    new value from the old one."""
    seen: set[tuple[str, int]] = set()
    for update in unguarded_updates(tape, project):
        key = (update.module.path, update.change.at.line)
        if key in seen or is_prepared(project, update.write.site, update.course.opened):
            continue
        seen.add(key)
        yield _hit(update)


def _hit(update: Update) -> Hit:
    here = update.frame
    read, write = update.read.site.frame, update.write.site.frame
    base, _, column = update.change.target.rpartition(".")
    seen = (
        f"read on {line_of(read, here)} with no lock, written on {line_of(write, here)}, in"
        f" {opened_words(update.course, update.write.site)}"
    )
    span = span_of(update.module, update.change.at)
    path = SourcePath(
        (
            Step(span_of_frame(read), "reads the row"),
            Step(span, "computes the new value"),
            Step(span_of_frame(write), "writes it"),
        )
    )
    fields = {
        "target": update.change.target,
        "table": f"rows of `{update.write.tables[0]}`",
        "seen": seen,
        "fix": _fix(base or update.owner or "row", column, update.owner),
    }
    executed = evidence_of_step(update.write, update.course)
    return Hit(span, here.function, fields, (path, executed))


def _fix(row: str, column: str, owner: str) -> str:
    model = owner or "Model"
    return (
        f"let the database compute it (`{row}.{column} = {model}.{column} + ...`, or an UPDATE with"
        f" that expression), load the row with `with_for_update()`, or give `{model}` a"
        " `version_id_col`"
    )


_MODELS = """
            import sqlalchemy as sa
            from sqlalchemy.orm import Session, declarative_base

            Base = declarative_base()

            class Account(Base):
                __tablename__ = "accounts"
                id = sa.Column(sa.Integer, primary_key=True)
                balance = sa.Column(sa.Integer, default=0)

            class Counter(Base):
                __tablename__ = "counters"
                id = sa.Column(sa.Integer, primary_key=True)
                n = sa.Column(sa.Integer, default=0)
                version = sa.Column(sa.Integer, nullable=False)
                __mapper_args__ = {"version_id_col": version}

            def prepare(engine):
                Base.metadata.create_all(engine)
                with Session(engine) as session:
                    session.add_all([Account(id=1), Counter(id=1)])
                    session.commit()
"""
RULE = Rule(
    code="DBA412",
    name="read-modify-write",
    since="0.2.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="`{target}` of {table} is set to a value computed from its old one, {seen}: of two that"
    " do so at once one change is lost; {fix}",
    why=(
        "Under READ COMMITTED, and under REPEATABLE READ on MariaDB, two transactions can read the"
        " same old value, and each writes its own new one: 10 + 1 and 10 + 1 give 11. Nothing"
        " fails; money, quota and counters drift."
    ),
    instead="`row.n = Model.n + 1` or `update(Model).values(n=Model.n + 1)`: the database computes"
    " it under its own lock. Where Python has to decide, `with_for_update()` when the row is"
    " loaded, or a `version_id_col` and a retry on StaleDataError.",
    checks=(OnFunction(check), OnTape(recorded)),
    bad=(
        Example(
            "a counter",
            _MODELS
            + """
            def deposit(session: Session, key, amount):
                account = session.get(Account, key)
                account.balance += amount  # expect: DBA412
                session.commit()
            """,
        ),
        Example(
            "written out",
            _MODELS
            + """
            def deposit(session: Session, key, amount):
                account = session.query(Account).filter_by(id=key).one()
                account.balance = account.balance + amount  # expect: DBA412
            """,
        ),
        LiveExample(
            "seen: in a method of the model",
            _MODELS.replace(
                "balance = sa.Column(sa.Integer, default=0)",
                """balance = sa.Column(sa.Integer, default=0)

                def deposit(self, amount):
                    self.balance += amount  # expect: DBA412""",
            )
            + """
            def run(engine):
                with Session(engine) as session, session.begin():
                    session.get(Account, 1).deposit(10)
            """,
        ),
        LiveExample(
            "seen: Core",
            _MODELS
            + """
            def run(engine):
                with engine.begin() as connection:
                    old = connection.scalar(sa.select(Account.balance).where(Account.id == 1))
                    connection.execute(
                        sa.update(Account)  # expect: DBA412
                        .where(Account.id == 1)
                        .values(balance=old + 10)
                    )
            """,
        ),
    ),
    good=(
        Example(
            "computed by the database, locked, or versioned",
            _MODELS
            + """
            def deposit(session: Session, key, amount):
                account = session.get(Account, key)
                account.balance = Account.balance + amount

            def locked(session: Session, key, amount):
                account = session.get(Account, key, with_for_update=True)
                account.balance += amount

            def also_locked(session: Session, key, amount):
                account = session.query(Account).filter_by(id=key).with_for_update().one()
                account.balance += amount

            def with_lock(session: Session, key):
                return session.query(Account).filter_by(id=key).with_for_update().one()

            def locked_elsewhere(session: Session, key, amount):
                account = with_lock(session, key)
                account.balance += amount

            def versioned(session: Session, key):
                session.get(Counter, key).n += 1
                counter = session.get(Counter, key)
                counter.n += 1

            def counted(session: Session, stats, key):
                account = session.get(Account, key)
                stats.balance += account.balance
                account.balance = stats.balance
            """,
        ),
        LiveExample(
            "seen: locked, computed by the database, versioned, set to a value",
            _MODELS
            + """
            def run(engine):
                with Session(engine) as session, session.begin():
                    session.get(Account, 1, with_for_update=True).balance += 1
                with Session(engine) as session, session.begin():
                    session.get(Account, 1).balance = Account.balance + 1
                with Session(engine) as session, session.begin():
                    session.get(Counter, 1).n += 1
                with Session(engine) as session, session.begin():
                    session.get(Account, 1).balance = 5
            """,
        ),
    ),
    known_gaps=(
        "a serializable transaction, or one with the row's own lock taken elsewhere, has no need",
        "conditions in the UPDATE that compare the old value are believed, and composite keys too",
        "values computed in a function that is neither on the call path nor called from it",
    ),
    sources=(
        "https://docs.sqlalchemy.org/en/20/orm/versioning.html",
        "https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED",
    ),
)
