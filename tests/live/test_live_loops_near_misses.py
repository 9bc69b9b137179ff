from __future__ import annotations

from collections.abc import Callable

import pytest

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


@pytest.mark.parametrize("title", SILENT)
def test_correct_code_is_left_alone(title: str, scenario: Callable[[str], None]) -> None:
    scenario(SILENT[title])
