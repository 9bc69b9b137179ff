"""Small programs on a real engine, and what must be said of their transactions.

A program has `run(engine)`, or `async def run(engine)`. Marks in its comments say all that must be
said, at default confidence, and nothing else:

    # emits DBA401     on this line
    # opened DBA401    the line that began the transaction, or checked the connection out
    # says DBA401 <words>
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from auditor.engine.recorded_source import recorded_project
from auditor.engine.running import over_tape
from auditor.model.evidence import SourcePath
from auditor.model.finding import Confidence, Finding
from auditor.model.settings import Settings
from auditor.model.tape import Tape
from auditor.registry import catalogue
from auditor.rule import OnTape
from auditor.runtime.rehearsal import rehearsed

HEAD = textwrap.dedent(
    """
    import asyncio, contextlib, http.client, http.server, os, subprocess, threading, time
    import sqlalchemy as sa
    from sqlalchemy import delete, select, text, update
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Session, declarative_base, relationship, scoped_session, sessionmaker

    Base = declarative_base()

    class Account(Base):
        __tablename__ = "accounts"
        id = sa.Column(sa.Integer, primary_key=True)
        name = sa.Column(sa.String(40), unique=True)
        balance = sa.Column(sa.Integer, default=0)

    class Order(Base):
        __tablename__ = "orders"
        id = sa.Column(sa.Integer, primary_key=True)
        account_id = sa.Column(sa.ForeignKey("accounts.id"), index=True)
        state = sa.Column(sa.String(10), default="new")
        version = sa.Column(sa.Integer, nullable=False)
        __mapper_args__ = {"version_id_col": version}

    ACCOUNT = update(Account).where(Account.id == 1)
    ORDER = update(Order).where(Order.id == 1)
    NO_ORDER = delete(Order).where(Order.id == 9)

    def prepare(engine):
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all([Account(id=1, name="a"), Account(id=2, name="b"), Order(id=1)])
            session.commit()

    """
)
OSLO = textwrap.dedent(
    """
    from oslo_db import api as oslo_api
    from oslo_db import exception as db_exc
    from oslo_db.sqlalchemy import enginefacade

    @enginefacade.transaction_context_provider
    class Context:
        pass

    manager = enginefacade.transaction_context()

    def configure(engine):
        manager.configure(connection=str(engine.url))
        manager.writer.get_engine().dispose()
        manager.patch_engine(engine)

    RETRY = oslo_api.wrap_db_retry(
        max_retries=3, retry_on_deadlock=True, retry_interval=0, inc_retry_interval=False
    )

    def dying(times):
        left = [times]
        def die():
            if left[0]:
                left[0] -= 1
                raise db_exc.DBDeadlock()
        return die

    """
)
pytestmark = pytest.mark.filterwarnings(  # some programs lose a connection, as they are meant to
    "ignore:unclosed database:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
_MARK = re.compile(r"# (?P<what>emits|opened|says) (?P<code>DBA\d{3})(?: <(?P<words>.*?)>)?")
_RULES = tuple(r for r in catalogue().rules if any(isinstance(c, OnTape) for c in r.checks))

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

OSLO_BUGS = {
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
            with manager.reader.using(Context()) as session:
                session.execute(ACCOUNT.values(balance=1))  # emits DBA405 # opened DBA405
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

OSLO_SILENT = {
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


@pytest.mark.parametrize("source", BUGS.values(), ids=BUGS.keys())
def test_a_bug_is_said_on_its_line_with_its_fix(source: str, tmp_path: Path) -> None:
    assert _said(HEAD + textwrap.dedent(source), tmp_path) == _expected(source)


@pytest.mark.parametrize("source", SILENT.values(), ids=SILENT.keys())
def test_correct_code_is_left_alone(source: str, tmp_path: Path) -> None:
    assert _said(HEAD + textwrap.dedent(source), tmp_path) == []


@pytest.mark.parametrize("source", OSLO_BUGS.values(), ids=OSLO_BUGS.keys())
def test_a_bug_in_an_enginefacade_block_is_said(source: str, tmp_path: Path) -> None:
    pytest.importorskip("oslo_db")
    pytest.importorskip("oslo_concurrency")
    assert _said(HEAD + OSLO + textwrap.dedent(source), tmp_path) == _expected(source)


@pytest.mark.parametrize("source", OSLO_SILENT.values(), ids=OSLO_SILENT.keys())
def test_correct_blocks_are_left_alone(source: str, tmp_path: Path) -> None:
    pytest.importorskip("oslo_db")
    pytest.importorskip("oslo_concurrency")
    assert _said(HEAD + OSLO + textwrap.dedent(source), tmp_path) == []


def _expected(source: str) -> list[str]:
    """`DBA401 emits <line>, opened <line>`: lines as text, so a program may be moved."""
    lines = source.split("\n")
    found: dict[str, dict[str, str]] = {}
    for line in lines:
        for mark in _MARK.finditer(line):
            if mark["what"] != "says":
                found.setdefault(mark["code"], {})[mark["what"]] = _code(line)
    return sorted(
        f"{code} emits {marks.get('emits', '')!r}, opened {marks.get('opened', '')!r}"
        for code, marks in found.items()
    )


def _code(line: str) -> str:
    return line.partition("  # ")[0].strip()


def _said(program: str, folder: Path) -> list[str]:
    tape = rehearsed((("program.py", program),), folder)
    findings, lines = _judged(tape, folder), program.split("\n")
    wants_opened = {m["code"] for m in _MARK.finditer(program) if m["what"] == "opened"}
    said = [
        f"{one.code} emits {_code(lines[one.span.line - 1])!r},"
        f" opened {(_opened(one, lines) if one.code in wants_opened else '')!r}"
        for one in findings
    ]
    return sorted(said) + [word for one in findings for word in _missing(one, program)]


def _judged(tape: Tape, folder: Path) -> list[Finding]:
    project, problems = recorded_project(tape, Settings(cache_dir="-"), folder)
    judged = over_tape(_RULES, tape, project)
    assert (problems, judged.problems, tape.losses) == ((), (), ())
    return [one for one in judged.findings if one.confidence is not Confidence.LOW]


def _opened(finding: Finding, lines: list[str]) -> str:
    """The line where the path of the evidence begins, else that of the finding."""
    path = next((one for one in finding.evidence if isinstance(one, SourcePath)), None)
    line = path.steps[0].span.line if path is not None else finding.span.line
    return _code(lines[line - 1])


def _missing(finding: Finding, program: str) -> list[str]:
    words = [m["words"] for m in _MARK.finditer(program) if m["code"] == finding.code]
    return [
        f"`{word}` is not in: {finding.message}"
        for word in words
        if word and word not in finding.message
    ]
