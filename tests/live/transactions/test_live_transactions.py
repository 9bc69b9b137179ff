"""What is said of locks, values written back, connections and threads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.filterwarnings(  # some programs lose a connection, as they are meant to
    "ignore:unclosed database:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
BUGS = {
    "two orders of locks": """
        def sell(session):
            session.execute(ACCOUNT.values(balance=1))
            session.execute(ORDER.values(state="sold"))

        def cancel(session):
            session.execute(NO_ORDER)  # opened DBA409
            session.execute(ACCOUNT.values(balance=0))  # emits DBA409

        def run(engine):
            for work in (sell, sell, cancel):
                with Session(engine) as session, session.begin():
                    work(session)
        # says DBA409 <rows of `accounts` are locked here after rows of `orders`>
        # says DBA409 <lock the tables in one order everywhere>
    """,
    "two orders, one of them by with_for_update": """
        def run(engine):
            with Session(engine) as session, session.begin():
                session.execute(select(Account.id).with_for_update())
                session.execute(ORDER.values(state="x"))
            with Session(engine) as session, session.begin():
                session.execute(ORDER.values(state="y"))  # opened DBA409
                session.execute(ACCOUNT.values(balance=3))  # emits DBA409
    """,
    "a counter": """
        def run(engine):
            with Session(engine) as session:
                account = session.get(Account, 1)  # opened DBA412
                account.balance += 10  # emits DBA412
                session.commit()
        # says DBA412 <`account.balance` of rows of `accounts`>
        # says DBA412 <`account.balance = Account.balance + ...`>
        # says DBA412 <with_for_update()>
    """,
    "a counter in a called function": """
        def bump(account, amount):
            account.balance = account.balance + amount  # emits DBA412

        def run(engine):
            with Session(engine) as session, session.begin():
                bump(session.scalars(select(Account).limit(1)).one(), 5)  # opened DBA412
    """,
    "a counter with an old value in SQL text": """
        def run(engine):
            with engine.begin() as connection:
                old = connection.scalar(  # opened DBA412
                    text("SELECT balance FROM accounts WHERE id = 1")
                )
                statement = text("UPDATE accounts SET balance = :balance WHERE id = 1")
                connection.execute(statement, {"balance": old + 1})  # emits DBA412
    """,
    "async: a counter": """
        async def run(engine):
            async with AsyncSession(engine) as session:
                account = await session.get(Account, 1)  # opened DBA412
                account.balance -= 1  # emits DBA412
                await session.commit()
    """,
    "a session that nobody closed": """
        def names(engine):
            session = Session(engine)
            return session.scalars(select(Account.name)).all()  # emits DBA414

        def run(engine):
            names(engine)
        # says DBA414 <was closed by nobody (once)>
        # says DBA414 <with Session(engine) as session:>
    """,
    "a connection kept to the end": """
        KEPT = []

        def run(engine):
            KEPT.append(engine.connect())  # emits DBA414
        # says DBA414 <still checked out when the recording ended>
        # says DBA414 <with engine.connect() as connection:>
    """,
    "a connection lost to an error": """
        def work(engine):
            connection = engine.connect()  # emits DBA414
            connection.execute(text("SELECT * FROM nowhere"))
            connection.close()

        def run(engine):
            with contextlib.suppress(sa.exc.OperationalError):
                work(engine)
    """,
    "one session in two threads": """
        def fetch(session, meeting, number):
            meeting.wait()
            session.execute(text(f"SELECT {number}"))  # emits DBA411
            meeting.wait()

        def run(engine):
            meeting = threading.Barrier(2)
            with Session(engine) as session:
                session.execute(select(Account.name))  # opened DBA411
                threads = [threading.Thread(target=fetch, args=(session, meeting, n)) for n in "12"]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
        # says DBA411 <a session of its own>
    """,
    "a thread and its starter at once": """
        def run(engine):
            met, used = threading.Event(), threading.Event()
            session = Session(engine)
            session.execute(select(Account.id))  # opened DBA411

            def fetch():
                session.execute(select(Account.name))
                used.set()
                met.wait()

            thread = threading.Thread(target=fetch)
            thread.start()
            used.wait()
            session.execute(select(Order.id))  # emits DBA411
            met.set()
            thread.join()
            session.close()
    """,
    "row by row in one transaction": """
        def store(session, number):
            session.execute(ACCOUNT.values(balance=number))  # emits DBA303

        def run(engine):
            with Session(engine) as session, session.begin():  # emits DBA410 # opened DBA410
                tuple(map(store, [session] * 301, range(301)))
        # says DBA410 <301 statements>
    """,
}

SILENT = {
    "a connection that is returned late": """
        def run(engine):
            held = [engine.connect()]
            held[0].execute(select(Account.id))
            held.pop().close()
    """,
    "a session handed over after it was closed": """
        def fetch(session, done):
            session.execute(select(Account.id))
            session.close()
            done.set()

        def run(engine):
            done = threading.Event()
            session = Session(engine)
            session.execute(select(Account.id))
            session.close()
            thread = threading.Thread(target=fetch, args=(session, done))
            thread.start()
            done.wait()
            thread.join()
    """,
    "a session handed over to a thread that is waited for": """
        def run(engine):
            with Session(engine) as session:
                session.execute(select(Account.id))
                thread = threading.Thread(target=lambda: session.execute(select(Order.id)))
                thread.start()
                thread.join()
                session.execute(select(Account.name))
    """,
    "a scoped session for each thread": """
        def fetch(sessions, meeting):
            meeting.wait()
            sessions.execute(select(Account.id))
            meeting.wait()
            sessions.remove()

        def run(engine):
            sessions, meeting = scoped_session(sessionmaker(engine)), threading.Barrier(3)
            threads = [threading.Thread(target=fetch, args=(sessions, meeting)) for _ in "123"]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    """,
    "one session for each task": """
        async def fetch(engine):
            async with AsyncSession(engine) as session:
                await session.get(Account, 1)
                await asyncio.sleep(0)
                await session.get(Account, 2)

        async def run(engine):
            await asyncio.gather(fetch(engine), fetch(engine))
    """,
    "a counter with the row locked": """
        def run(engine):
            with Session(engine) as session, session.begin():
                account = session.get(Account, 1, with_for_update=True)
                account.balance += 10
            with Session(engine) as session, session.begin():
                account = session.scalars(select(Account).with_for_update().limit(1)).one()
                account.balance += 10
    """,
    "a counter that the database computes": """
        def run(engine):
            with Session(engine) as session, session.begin():
                account = session.get(Account, 1)
                account.balance = Account.balance + 1
                session.execute(ACCOUNT.values(balance=Account.balance + 1))
    """,
    "a row with a version": """
        def run(engine):
            with Session(engine) as session, session.begin():
                order = session.get(Order, 1)
                order.account_id = (order.account_id or 0) + 1
    """,
    "a plain value after a read": """
        def run(engine):
            with Session(engine) as session, session.begin():
                session.get(Account, 1).balance = 7
    """,
    "the same order of locks everywhere, and inserts": """
        def run(engine):
            for state in ("sold", "gone"):
                with Session(engine) as session, session.begin():
                    session.execute(ACCOUNT.values(balance=1))
                    session.execute(ORDER.values(state=state))
            with Session(engine) as session, session.begin():
                session.add(Order())
                session.flush()
                session.execute(ACCOUNT.values(balance=2))
    """,
    "both orders behind one lock": """
        def run(engine):
            gate = select(Account.id).where(Account.id == 1).with_for_update()
            for statements in ((NO_ORDER, text("UPDATE other SET n = 1 WHERE n = 0")),) * 1:
                with engine.begin() as connection:
                    connection.execute(text("CREATE TABLE IF NOT EXISTS other (n INTEGER)"))
                    connection.execute(gate)
                    for statement in statements:
                        connection.execute(statement)
            with engine.begin() as connection:
                connection.execute(gate)
                connection.execute(text("UPDATE other SET n = 2 WHERE n = 0"))
                connection.execute(ORDER.values(state="z"))
    """,
    "a long read with yield_per": """
        def run(engine):
            with Session(engine) as session, session.begin():
                for account in session.scalars(select(Account).execution_options(yield_per=1)):
                    str(account.name)
    """,
    "a savepoint with a handler for the duplicate": """
        def run(engine):
            with Session(engine) as session, session.begin():
                name = "a"
                if session.scalars(select(Account).where(Account.name == "zz")).first() is None:
                    try:
                        with session.begin_nested():
                            session.add(Account(name=name))
                    except sa.exc.IntegrityError:
                        pass
    """,
}


Judged = Callable[..., tuple[list[str], list[str]]]


@pytest.mark.parametrize("source", BUGS.values(), ids=BUGS.keys())
def test_a_bug_is_said_on_its_line_with_its_fix(source: str, judged: Judged) -> None:
    said, expected = judged(source)
    assert said == expected


@pytest.mark.parametrize("source", SILENT.values(), ids=SILENT.keys())
def test_correct_code_is_left_alone(source: str, judged: Judged) -> None:
    said, _ = judged(source)
    assert said == []
