from __future__ import annotations

from collections.abc import Callable

import pytest

BUGS = {
    "a lazy collection in a for loop": """
        def run(session):
            labels = session.scalars(select(Label)).all()
            for label in labels:  # loops DBA302
                print(end="" if label.routers else "")  # emits DBA302
        # says DBA302 <`Label.routers`>
        # says DBA302 <8 times>
        # says DBA302 <`.options(selectinload(Label.routers))` to the query at program.py:12>
    """,
    "a lazy row in a comprehension": """
        def run(session):
            routers = session.scalars(select(Router)).all()
            return [router.label.name for router in routers]  # loops DBA302 # emits DBA302
        # says DBA302 <`Router.label`>
        # says DBA302 <joinedload(Router.label)>
    """,
    "a lazy row in a generator expression": """
        def run(session):
            labels = session.scalars(select(Label)).all()
            return sum(
                len(label.routers)  # emits DBA302
                for label in labels  # noqa
            )  # the loop begins with the expression
        # says DBA302 <`Label.routers`>
    """.replace("            return sum(\n", "            return sum(  # loops DBA302\n"),
    "a property that reads it": """
        def run(session):
            for label in session.scalars(select(Label)).all():  # loops DBA302 # models DBA302
                print(end=str(label.size)[:0])
        # says DBA302 <`Label.routers`>
    """,
    "the loop two callers up": """
        def names(label):
            return [router.name for router in label.routers]  # emits DBA302

        def shown(label):
            return {"name": label.name, "routers": names(label)}

        def run(session):
            labels = session.scalars(select(Label)).all()
            return [shown(label) for label in labels]  # loops DBA302
        # says DBA302 <`Label.routers`>
    """,
    "the key of sorted": """
        def run(session):
            routers = session.scalars(select(Router)).all()
            by_name = lambda router: router.label.name  # emits DBA302
            return sorted(routers, key=by_name)  # loops DBA302
        # says DBA302 <`Router.label`>
        # says DBA302 <sorted(routers)>
    """,
    "a part of a function handed to map": """
        import functools

        def one(session, key):
            return session.scalar(select(Router).where(Router.id == key))  # emits DBA301

        def run(session):
            keys = session.scalars(select(Router.id)).all()
            return list(map(functools.partial(one, session), keys))  # loops DBA301
    """,
    "a generator that is consumed elsewhere": """
        def owners(routers):
            return (router.label for router in routers)  # emits DBA302 # loops DBA302

        def run(session):
            found = owners(session.scalars(select(Router)).all())
            return [label.name for label in found]
    """,
    "a function handed to map": """
        def one(session, key):
            return session.get(Router, key)  # emits DBA301

        def run(session):
            keys = session.scalars(select(Router.id)).all()
            session.expunge_all()
            return list(map(lambda key: one(session, key), keys))  # loops DBA301
        # says DBA301 <`Router.id.in_(...)`>
    """,
    "a generator function": """
        def routers(session, keys):
            for key in keys:  # loops DBA301
                yield session.scalar(select(Router).where(Router.id == key))  # emits DBA301

        def run(session):
            keys = session.scalars(select(Router.id)).all()
            for router in routers(session, keys):
                print(end=router.name[:0])
        # says DBA301 <24 times>
    """,
    "nested loops, the inner one queries": """
        def run(session):
            labels = session.scalars(select(Label).options(selectinload(Label.routers))).all()
            for label in labels:
                for router in label.routers:  # loops DBA302
                    print(end="" if router.ports else "")  # emits DBA302
        # says DBA302 <`Router.ports`>
        # says DBA302 <selectinload(Router.ports)>
    """,
    "nested loops, the outer one queries": """
        def run(session):
            for label in session.scalars(select(Label)).all():  # loops DBA302
                for router in label.routers:  # emits DBA302
                    print(end=router.name[:0])
        # says DBA302 <`Label.routers`>
        # says DBA302 <8 times>
    """,
    "fields by name, of one row after the other": """
        def fields(label):
            names = ("id", "name", "routers")
            return {name: getattr(label, name) for name in names}  # emits DBA302

        def run(session):
            for label in session.scalars(select(Label)).all():  # loops DBA302
                fields(label)
    """,
    "another loop inside that does not change the row": """
        def run(session):
            names = session.scalars(select(Owner.name)).all()
            for label in session.scalars(select(Label)).all():  # loops DBA302
                for name in names:
                    assert label.owner.name  # emits DBA302
    """,
    "rows that are deleted, and what hangs on them": """
        def run(session):
            labels = session.scalars(select(Label)).all()
            for label in labels:
                session.delete(label)
            session.flush()  # emits DBA302
        # says DBA302 <`Label.routers`>
        # says DBA302 <`passive_deletes=True`>
    """,
    "a queue of work": """
        def run(session):
            waiting = list(session.scalars(select(Label.id)))
            while waiting:  # loops DBA301
                key = waiting.pop()
                query = select(Router).where(Router.label_id == key)
                session.scalars(query).all()  # emits DBA301
        # says DBA301 <`Router.label_id.in_(...)`>
    """,
    "a counter": """
        def run(session):
            keys = session.scalars(select(Router.id)).all()
            at = 0
            while at < len(keys):  # loops DBA301
                session.scalar(select(Router).where(Router.id == keys[at]))  # emits DBA301
                at += 1
    """,
    "the items of a dict": """
        def run(session):
            names = dict(session.execute(select(Label.id, Label.name)).all())
            for key, name in names.items():  # loops DBA301
                query = text("SELECT count(*) FROM routers WHERE label_id = :key")
                session.execute(query, {"key": key})  # emits DBA301
    """,
    "text with values in it, on a connection": """
        def run(engine):
            with engine.connect() as connection:
                for row in connection.execute(select(Label.id)).all():  # loops DBA301
                    query = f"SELECT name FROM routers WHERE label_id = {row.id}"
                    connection.exec_driver_sql(query)  # emits DBA301 # emits DBA101
        # says DBA301 <8 times>
    """,
    "a decorator in between": """
        import functools

        def traced(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function(*args, **kwargs)
            return wrapper

        @traced
        def router(session, key):
            return session.scalars(select(Router).where(Router.id == key)).first()  # emits DBA301

        def run(session):
            keys = session.scalars(select(Router.id)).all()
            return {key: router(session, key) for key in keys}  # loops DBA301
    """,
    "a tree walked down": """
        def walk(node):
            yield node.id
            for child in node.children:  # loops DBA302 # emits DBA302
                yield from walk(child)

        def run(session):
            return list(walk(session.get(Node, 1)))
        # says DBA302 <`Node.children`>
        # says DBA302 <recursive CTE>
    """,
    "a tree walked down by calls": """
        def depth(node):
            below = [depth(child) for child in node.children]  # loops DBA302 # emits DBA302
            return 1 + max(below, default=0)

        def run(session):
            return depth(session.get(Node, 1))
        # says DBA302 <`Node.children`>
    """,
    "a tree walked down with a stack": """
        def run(session):
            waiting = [session.get(Node, 1)]
            while waiting:  # loops DBA302
                waiting.extend(waiting.pop().children)  # emits DBA302
        # says DBA302 <recursive CTE over `Node`>
    """,
    "a chain walked up": """
        def run(session):
            node = session.get(Node, 32)
            while node is not None:  # loops DBA302
                node = node.parent  # emits DBA302
        # says DBA302 <`Node.parent`>
        # says DBA302 <recursive CTE>
    """,
    "a session for each item": """
        def run(engine):
            for key in range(1, 9):  # loops DBA301
                with Session(engine) as session:
                    session.get(Label, key)  # emits DBA301
        # says DBA301 <each in a transaction of its own>
    """,
    "a relation loaded at once, row by row": """
        from sqlalchemy.orm import immediateload

        def run(session):
            query = select(Label).options(immediateload(Label.routers))
            session.scalars(query).all()  # emits DBA302
        # says DBA302 <`selectinload(Label.routers)` in place of `immediateload`>
    """,
    "rows expired by a commit": """
        def run(session):
            routers = session.scalars(select(Router)).all()
            for router in routers:
                router.status = "DOWN"
            session.commit()
            for router in routers:  # loops DBA316
                print(end=router.name[:0])  # emits DBA316
        # says DBA316 <expire_on_commit=False>
        # says DBA316 <24 times>
    """,
    "a deferred column": """
        def run(session):
            labels = session.scalars(select(Label)).all()
            return [label.notes for label in labels]  # loops DBA316 # emits DBA316
        # says DBA316 <`.options(undefer(Label.notes))` to the query at program.py:12>
    """,
    "columns of subclasses": """
        def place(volume):
            return volume.size if volume.kind == "snapshot" else volume.place  # emits DBA316

        def run(session):
            volumes = session.scalars(select(Volume)).all()
            return [place(volume) for volume in volumes]  # loops DBA316
        # says DBA316 <selectin_polymorphic(Volume, [Backup, Snapshot])>
    """,
    "refresh() for each": """
        def run(session):
            routers = session.scalars(select(Router)).all()
            for router in routers:  # loops DBA316
                session.refresh(router)  # emits DBA316
        # says DBA316 <populate_existing>
    """,
    "a flush for each row": """
        def run(session):
            for name in [f"x{n}" for n in range(9)]:  # loops DBA303
                session.add(Label(name=name))
                session.flush()  # emits DBA303
            session.commit()
        # says DBA303 <flush once after it>
        # says DBA303 <9 times>
    """,
    "an UPDATE for each row": """
        def run(engine):
            with engine.begin() as connection:
                for key in connection.scalars(select(Router.id)).all():  # loops DBA303
                    query = update(Router).where(Router.id == key).values(status="X")
                    connection.execute(query)  # emits DBA303
        # says DBA303 <`update(Router).where>
        # says DBA303 <Router.id.in_(...)>
    """,
    "a DELETE for each row, in a function": """
        def drop(session, key):
            session.execute(delete(Port).where(Port.id == key))  # emits DBA303

        def run(session):
            keys = session.scalars(select(Port.id)).all()
            for key in keys:  # loops DBA303
                drop(session, key)
            session.commit()
        # says DBA303 <delete(Port).where(Port.id.in_(...))>
    """,
    "a commit for each row": """
        def run(session):
            for name in [f"x{n}" for n in range(9)]:  # loops DBA304
                session.add(Label(name=name))
                session.commit()  # emits DBA304
        # says DBA304 <9 transactions>
    """,
    "rows flushed by the queries of the loop": """
        def run(session):
            names = [f"l{n}" for n in range(1, 9)]
            for name in names:  # loops DBA301 # loops DBA322
                query = select(Label).where(Label.name == name)
                label = session.scalars(query).one()  # emits DBA301 # emits DBA322
                session.add(Router(label_id=label.id))
            session.commit()
        # says DBA322 <no_autoflush>
    """,
    "an async session": """
        async def run(session):
            keys = (await session.scalars(select(Label.id))).all()
            for key in keys:  # loops DBA301
                await session.scalars(select(Router).where(Router.label_id == key))  # emits DBA301
        # says DBA301 <`Router.label_id.in_(...)`>
    """,
    "an async comprehension in a coroutine of its own": """
        async def name(session, key):
            return (await session.get(Label, key)).name  # emits DBA301

        async def run(session):
            keys = (await session.scalars(select(Label.id))).all()
            return [await name(session, key) for key in keys]  # loops DBA301
    """,
    "awaitable attributes, refreshed": """
        async def run(session):
            labels = (await session.scalars(select(Label))).all()
            for label in labels:  # loops DBA316 # loops DBA302
                await session.refresh(label, ["name", "routers"])  # emits DBA316 # emits DBA302
        # says DBA302 <selectinload(Label.routers)>
    """,
    "tasks that are gathered": """
        import asyncio

        async def router(engine, key):
            async with AsyncSession(engine) as session:
                return await session.get(Router, key)  # emits DBA301

        async def run(engine):
            await asyncio.gather(*(router(engine, key) for key in range(9)))  # loops DBA301
    """,
}
SILENT = {
    "pages by offset": """
        def run(session):
            at = 0
            while True:
                rows = session.scalars(select(Router).order_by(Router.id).limit(5).offset(at)).all()
                if not rows:
                    break
                at += len(rows)
    """,
    "pages by offset, counted": """
        def run(session):
            for page in range(5):
                query = select(Router).order_by(Router.id).limit(5).offset(page * 5)
                session.scalars(query).all()
    """,
    "pages by key, in a function": """
        def page(session, last):
            query = select(Router).where(Router.id > last).order_by(Router.id).limit(5)
            return session.scalars(query).all()

        def run(session):
            last = -1
            while rows := page(session, last):
                last = rows[-1].id
    """,
    "pieces of a list": """
        def pieces(keys, size):
            for start in range(0, len(keys), size):
                yield keys[start : start + size]

        def run(session):
            keys = session.scalars(select(Router.id)).all()
            for some in pieces(keys, 4):
                session.scalars(select(Router).where(Router.id.in_(some))).all()
    """,
    "pieces, cut off one after the other": """
        def run(session):
            keys = list(session.scalars(select(Router.id)))
            while keys:
                some, keys = keys[:4], keys[4:]
                session.scalars(select(Router).where(Router.id.in_(some))).all()
    """,
    "pieces, made with itertools": """
        import itertools

        def run(session):
            keys = session.scalars(select(Router.id)).all()
            rest = iter(keys)
            while some := list(itertools.islice(rest, 5)):
                session.scalars(select(Router).where(Router.id.in_(some))).all()
            for some in itertools.zip_longest(*[iter(keys)] * 5):
                given = Port.router_id.in_([key for key in some if key is not None])
                session.scalars(select(Port).where(given)).all()
    """,
    "selectinload over many parents": """
        def run(session):
            session.add_all(Label(id=n) for n in range(100, 2200))
            session.commit()
            for label in session.scalars(select(Label).options(selectinload(Label.routers))).all():
                print(end="" if label.routers else "")
    """,
    "yield_per": """
        def run(session):
            query = select(Router).options(selectinload(Router.ports))
            for router in session.scalars(query.execution_options(yield_per=3)):
                print(end="" if router.ports else "")
    """,
    "two gets on different lines": """
        def run(session):
            session.get(Router, 1)
            session.get(Router, 2)
    """,
    "one refresh after a commit": """
        def run(session):
            router = session.get(Router, 1)
            router.status = "DOWN"
            session.commit()
            return router.name, router.status, router.label_id
    """,
    "one query per thread": """
        import threading

        def work(engine, key):
            with Session(engine) as session:
                session.get(Router, key)

        def run(engine):
            threads = [threading.Thread(target=work, args=(engine, key)) for key in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    """,
    "polling until it is done": """
        def run(engine):
            tries = 0
            while True:
                with Session(engine) as session:
                    status = session.scalar(select(Router.status).where(Router.id == 1))
                tries += 1
                if status == "DOWN" or tries > 5:
                    break
    """,
    "polling with a pause": """
        import time

        def run(session):
            for _ in range(6):
                if session.scalar(select(Router.status).where(Router.id == 1)) == "DOWN":
                    break
                time.sleep(0)
    """,
    "a read after each of two writes": """
        def run(session):
            router = session.get(Router, 1)
            router.status = "A"
            session.flush()
            session.refresh(router)
            router.status = "B"
            session.flush()
            session.refresh(router)
            session.rollback()
    """,
    "bulk work": """
        def run(session):
            session.connection(execution_options={"insertmanyvalues_page_size": 50})
            session.execute(insert(Label), [{"name": f"x{n}"} for n in range(200)])
            session.add_all(Router(name=f"x{n}") for n in range(200))
            session.flush()
            session.execute(update(Router).values(status="X").where(Router.label_id == 1))
            session.commit()
    """,
    "rows of the identity map": """
        def run(session):
            labels = session.scalars(select(Label)).all()
            names = [label.name for label in labels]
            for router in session.scalars(select(Router)):
                assert router.label.name in names
    """,
    "a loop over a constant tuple": """
        def run(session):
            for name in ("l1", "l2", "l3"):
                session.scalars(select(Label).where(Label.name == name)).all()
    """,
    "a constant tuple that a caller gave": """
        def labels(session, names):
            return [session.scalar(select(Label).where(Label.name == name)) for name in names]

        def run(session):
            labels(session, ("l1", "l2", "l3"))
    """,
    "three attempts": """
        def run(session):
            for attempt in range(3):
                if session.scalar(select(Router.id).where(Router.name == f"{attempt}")):
                    break
    """,
    "joined, and then read": """
        def run(session):
            for router in session.scalars(select(Router).options(joinedload(Router.label))):
                print(end=router.label.name[:0])
    """,
    "levels of a tree, each with one query": """
        def run(session):
            level = [1]
            while level:
                level = session.scalars(select(Node.id).where(Node.parent_id.in_(level))).all()
    """,
    "the key that each flush made is used": """
        def run(session):
            for name in [f"x{n}" for n in range(6)]:
                label = Label(name=name)
                session.add(label)
                session.flush()
                session.add(Router(label_id=label.id))
            session.commit()
    """,
    "a flush for each four": """
        def run(session):
            for number, name in enumerate([f"x{n}" for n in range(24)]):
                session.add(Label(name=name))
                if number % 4 == 3:
                    session.flush()
            session.commit()
    """,
    "a savepoint for each row": """
        from sqlalchemy.exc import IntegrityError

        def run(session):
            for key in [*range(1, 5), *range(300, 305)]:
                try:
                    with session.begin_nested():
                        session.execute(insert(Label).values(id=key))
                except IntegrityError:
                    continue
            session.commit()
    """,
    "asynchronous pages": """
        async def run(session):
            last = -1
            while True:
                query = select(Router).where(Router.id > last).order_by(Router.id).limit(5)
                rows = (await session.scalars(query)).all()
                if not rows:
                    return
                last = rows[-1].id
    """,
    "asynchronous, loaded in one batch": """
        async def run(session):
            query = select(Label).options(selectinload(Label.routers))
            for label in await session.scalars(query):
                print(end="" if label.routers else "")
    """,
}


@pytest.mark.parametrize("title", BUGS)
def test_the_line_that_emits_the_line_that_loops_and_the_mend_are_named(
    title: str, scenario: Callable[[str], None]
) -> None:
    scenario(BUGS[title])


@pytest.mark.parametrize("title", SILENT)
def test_correct_code_is_left_alone(title: str, scenario: Callable[[str], None]) -> None:
    scenario(SILENT[title])
