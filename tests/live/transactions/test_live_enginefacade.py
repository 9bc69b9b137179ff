"""What is said of oslo.db's blocks and retries."""

from __future__ import annotations

from collections.abc import Callable

import pytest

BUGS = {
    "a retry inside the transaction": """
        @RETRY
        def bump(context, die):
            with manager.writer.using(context) as session:
                session.execute(ACCOUNT.values(balance=1))
                die()

        @RETRY
        def fails(context):
            with manager.writer.using(context) as session:
                try:
                    session.execute(text("UPDATE nowhere SET n = 1 WHERE n = 2"))
                except Exception as error:
                    raise db_exc.DBDeadlock() from error

        def run(engine):
            configure(engine)
            bump(Context(), dying(2))
            context = Context()
            with contextlib.suppress(db_exc.DBDeadlock):
                with manager.writer.using(context) as session:  # opened DBA209
                    session.execute(ACCOUNT.values(balance=2))
                    fails(context)  # emits DBA209
        # says DBA209 <`fails` was repeated 3 times after `DBDeadlock`, and gave up once>
        # says DBA209 <put the retry around that transaction>
    """,
    "a commit inside a writer": """
        @manager.writer
        def store(context):  # the block is the function
            context.session.execute(ACCOUNT.values(balance=1))
            context.session.commit()  # emits DBA402

        def run(engine):
            configure(engine)
            store(Context())
        # says DBA402 <`context.session.commit()` inside the writer of line>
    """,
    "a write in a reader": """
        def run(engine):
            configure(engine)
            with manager.reader.using(Context()) as session:  # opened DBA405
                session.execute(ACCOUNT.values(balance=1))  # emits DBA405
        # says DBA405 <UPDATE of `accounts`, once>
    """,
    "an independent writer inside a writer": """
        def audit(context):
            with manager.writer.independent.using(context) as session:  # emits DBA407
                session.execute(select(Order.id))

        def run(engine):
            configure(engine)
            context = Context()
            with manager.writer.using(context) as session:  # opened DBA407
                session.execute(select(Account.id))
                audit(context)
    """,
    "a lock and a message in a writer": """
        from oslo_concurrency import lockutils

        def run(engine):
            configure(engine)
            with manager.writer.using(Context()) as session:  # opened DBA401
                session.execute(ACCOUNT.values(balance=1))
                with lockutils.lock("a"):  # emits DBA401
                    session.execute(ACCOUNT.values(balance=2))
        # says DBA401 <the writer of line>
        # says DBA401 <take the lock around the transaction>
    """,
}

SILENT = {
    "a retry around the transaction": """
        @RETRY
        @manager.writer
        def bump(context, die):
            context.session.execute(ACCOUNT.values(balance=1))
            die()

        def run(engine):
            configure(engine)
            bump(Context(), dying(2))
    """,
    "a retried independent writer inside a reader": """
        @RETRY
        def bump(context, die):
            with manager.writer.independent.using(context) as session:
                session.execute(select(Account.id))
                die()

        def run(engine):
            configure(engine)
            context = Context()
            with manager.reader.using(context) as session:
                session.execute(select(Order.id))
                bump(context, dying(1))
    """,
    "a reader inside a writer writes": """
        def run(engine):
            configure(engine)
            context = Context()
            with manager.writer.using(context) as session:
                session.execute(ACCOUNT.values(balance=1))
                with manager.reader.using(context) as joined:
                    joined.execute(ACCOUNT.values(balance=2))
    """,
    "a lock around the writer": """
        from oslo_concurrency import lockutils

        def run(engine):
            configure(engine)
            with lockutils.lock("a"), manager.writer.using(Context()) as session:
                session.execute(ACCOUNT.values(balance=1))
            time.sleep(0.001)
    """,
}


Judged = Callable[..., tuple[list[str], list[str]]]


@pytest.mark.parametrize("source", BUGS.values(), ids=BUGS.keys())
def test_a_bug_is_said_on_its_line_with_its_fix(source: str, judged: Judged) -> None:
    said, expected = judged(source, oslo=True)
    assert said == expected


@pytest.mark.parametrize("source", SILENT.values(), ids=SILENT.keys())
def test_correct_code_is_left_alone(source: str, judged: Judged) -> None:
    said, _ = judged(source, oslo=True)
    assert said == []
