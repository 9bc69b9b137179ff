"""What is said of side effects while a transaction is open."""

from __future__ import annotations

from collections.abc import Callable

import pytest

BUGS = {
    "a sleep after an insert": """
        def run(engine):
            with Session(engine) as session, session.begin():  # opened DBA401
                session.add(Order(account_id=1))
                session.flush()
                time.sleep(0.001)  # emits DBA401
        # says DBA401 <time.sleep>
        # says DBA401 <wait before the transaction begins or after it has ended>
    """,
    "a sleep that was imported by name": """
        from time import sleep as pause

        def run(engine):
            with engine.begin() as connection:  # opened DBA401
                connection.execute(ACCOUNT.values(balance=1))
                pause(0.001)  # emits DBA401
    """,
    "a subprocess two calls down": """
        def convert():
            return subprocess.run(["true"], check=True)  # emits DBA401

        def store(session):
            session.execute(ACCOUNT.values(balance=1))
            convert()

        def run(engine):
            with Session(engine) as session, session.begin():  # opened DBA401
                store(session)
        # says DBA401 <subprocess>
    """,
    "an HTTP request between a write and the commit": """
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(204)
                self.end_headers()

            def log_message(self, *ignored):
                pass

        def run(engine):
            server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
            thread = threading.Thread(target=server.handle_request)
            thread.start()
            session = Session(engine)
            session.execute(ACCOUNT.values(balance=2))  # opened DBA401
            client = http.client.HTTPConnection("127.0.0.1", server.server_port)
            client.request("GET", "/")  # emits DBA401
            client.getresponse().read()
            client.close()
            session.commit()
            session.close()
            thread.join()
            server.server_close()
        # says DBA401 <HTTP request, once>
        # says DBA401 <send it after the transaction>
    """,
    "a file lock taken with rows locked": """
        import fcntl, tempfile

        def run(engine):
            with tempfile.TemporaryFile() as file, engine.begin() as connection:  # opened DBA401
                connection.execute(NO_ORDER)
                fcntl.flock(file, fcntl.LOCK_EX)  # emits DBA401
        # says DBA401 <take the lock around the transaction>
    """,
    "a sleep in an async transaction": """
        async def run(engine):
            async with AsyncSession(engine) as session:
                async with session.begin():  # opened DBA401
                    await session.execute(ACCOUNT.values(balance=1))
                    await asyncio.sleep(0.001)  # emits DBA401
    """,
    "waiting in a block that has only read": """
        def run(engine):
            with Session(engine) as session, session.begin():  # opened DBA401
                session.get(Account, 1)
                time.sleep(0.001)  # emits DBA401
    """,
    "polling inside one transaction": """
        def run(engine):
            with Session(engine) as session, session.begin():  # opened DBA401
                session.execute(ORDER.values(state="run"))
                for attempt in range(2):
                    time.sleep(0.001)  # emits DBA401
        # says DBA401 <twice>
    """,
}

SILENT = {
    "a sleep between transactions": """
        def run(engine):
            for _ in range(3):
                with Session(engine) as session, session.begin():
                    session.execute(ACCOUNT.values(balance=1))
                time.sleep(0.001)
                subprocess.run(["true"], check=True)
    """,
    "a subprocess in a block that has done nothing": """
        def run(engine):
            with Session(engine) as session, session.begin():
                subprocess.run(["true"], check=True)
                time.sleep(0.001)
                session.add(Order())
    """,
    "another thread sleeps meanwhile": """
        def run(engine):
            thread = threading.Thread(target=time.sleep, args=(0.01,))
            with Session(engine) as session, session.begin():
                session.execute(ACCOUNT.values(balance=1))
                thread.start()
                session.execute(ACCOUNT.values(balance=2))
            thread.join()
    """,
    "another task sleeps meanwhile": """
        async def write(engine):
            async with AsyncSession(engine) as session, session.begin():
                await session.execute(ACCOUNT.values(balance=1))

        async def run(engine):
            await asyncio.gather(write(engine), asyncio.sleep(0.01))
    """,
    "a rollback before the wait": """
        def run(engine):
            with Session(engine) as session:
                session.execute(ACCOUNT.values(balance=1))
                session.rollback()
                time.sleep(0.001)
    """,
    "polling with a transaction for each look": """
        def run(engine):
            for _ in range(3):
                with Session(engine) as session:
                    session.get(Order, 1)
                time.sleep(0.001)
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
