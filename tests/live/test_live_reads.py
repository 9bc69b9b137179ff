"""What is said of rows that a program did not need, and of reads that it need not have made."""

from __future__ import annotations

from collections.abc import Callable

import pytest

BUGS = {
    "counted with len()": """
        def run(session):
            return len(session.scalars(select(Router)).all())  # emits DBA306
        # says DBA306 <24 rows were fetched at program.py:12>
        # says DBA306 <`select(func.count()).select_from(Router)`>
    """,
    "counted by the caller of the caller": """
        def load(session):
            return session.query(Router).filter(Router.id > 3).all()

        def routers(session):
            found = load(session)
            return found

        def run(session):
            number = len(routers(session))  # emits DBA306
            return f"{number} routers"
        # says DBA306 <`session.query(Router).filter(...).count()`>
    """,
    "counted by a loop": """
        def run(session):
            number = 0
            for router in session.scalars(select(Router)):
                number += 1  # emits DBA306
            return number
    """,
    "counted by a sum of ones, in async code": """
        async def run(session):
            routers = await session.scalars(select(Router))
            return sum(1 for _ in routers)  # emits DBA306
    """,
    "counted to see whether there is one": """
        def run(engine):
            with engine.connect() as connection:
                rows = connection.execute(text("SELECT id FROM routers")).fetchall()
                if len(rows) > 0:  # emits DBA306
                    return "some"
        # says DBA306 <`SELECT EXISTS (SELECT 1 FROM routers)`>
    """,
    "asked whether there is one": """
        def in_use(session):
            return bool(session.query(Router).all())  # emits DBA307

        def run(session):
            return in_use(session)
        # says DBA307 <`session.query(session.query(Router).exists()).scalar()`>
    """,
    "asked whether there is one, in async code": """
        async def routers(session):
            result = await session.execute(select(Router).where(Router.id > 2))
            return result.scalars().all()

        async def run(session):
            if not await routers(session):  # emits DBA307
                raise LookupError
        # says DBA307 <`select(select(Router).where(...).exists())`>
    """,
    "the first turn of a loop says yes": """
        def any_router(session):
            for _ in session.scalars(select(Router)):
                return True  # emits DBA307
            return False

        def run(session):
            return any_router(session)
    """,
    "the largest of a column of a table": """
        def run(engine):
            with engine.connect() as connection:
                rows = connection.execute(select(Router.__table__))
                return max(row.id for row in rows)  # emits DBA308
        # says DBA308 <`select(func.max(Router.id))`>
    """,
    "the sum of the only column": """
        def run(session):
            return sum(session.scalars(select(Router.label_id)).all())  # emits DBA308
        # says DBA308 <`select(func.sum(Router.label_id))`>
    """,
    "the row with the least value": """
        def run(session):
            routers = session.query(Router).all()
            return min(routers, key=lambda router: router.name)  # emits DBA308
        # says DBA308 <`select(func.min(Router.name))`>
    """,
    "distinct values through set()": """
        def run(session):
            return set(router.status for router in session.query(Router).all())  # emits DBA308
        # says DBA308 <`select(Router.status).distinct()`>
    """,
    "skipped at the top of the loop": """
        def load(session):
            return session.scalars(select(Router)).all()

        def run(session):
            names = []
            for router in load(session):
                if router.status != "UP":  # emits DBA305
                    continue
                names.append(router.name)
            return names
        # says DBA305 <`.where(Router.status ...)`>
    """,
    "skipped by two conditions of a comprehension": """
        async def run(session, wanted="UP"):
            rows = (await session.execute(select(Router))).scalars().all()
            return [r.name for r in rows if r.status == wanted and r.id > 3]  # emits DBA305
    """,
    "searched for in a loop": """
        def find(session, name):
            for router in session.query(Router).all():
                if router.name == name:  # emits DBA305
                    return router

        def run(session):
            return find(session, "x")
    """,
    "asked for with any()": """
        def run(session):
            return any(r.status == "UP" for r in session.scalars(select(Router)))  # emits DBA305
    """,
    "the first of a list": """
        def run(session):
            return session.scalars(select(Router).order_by(Router.id)).all()[0]  # emits DBA317
        # says DBA317 <24 each time>
        # says DBA317 <`.limit(1)`>
    """,
    "the last of a list, in async code": """
        async def run(session):
            found = (await session.scalars(select(Router).order_by(Router.id))).all()
            if found:
                return found[-1].name  # emits DBA317
        # says DBA317 <`.limit(1)` and the order turned round (`.desc()`)>
    """,
    "next() of a result": """
        def run(session):
            return next(iter(session.scalars(select(Router))), None)  # emits DBA317
    """,
    "the first page, cut in Python": """
        def run(session):
            return session.query(Router).order_by(Router.id).all()[:3]  # emits DBA317
    """,
    "two collections joined": """
        def run(session):
            query = select(Label).options(
                joinedload(Label.routers), joinedload(Label.owner).joinedload(Owner.labels)
            )
            for label in session.scalars(query).unique():  # emits DBA311
                print(end=f"{label.routers}{label.owner.labels}"[:0])
        Owner.labels = sa.orm.relationship(Label, viewonly=True)
        # says DBA311 <`selectinload(Label.routers)` in place of the second `joinedload`>
    """,
    "text that ties nothing": """
        def run(engine):
            with engine.connect() as connection:
                query = text("SELECT l.id FROM labels l, routers r WHERE r.status = :status")
                return connection.execute(query, {"status": "UP"}).all()  # emits DBA311
        # says DBA311 <`JOIN routers ON ...`>
    """,
    "the same read from two helpers": """
        def label(session, key):
            query = select(Label).where(Label.id == key)
            return session.execute(query).scalar_one()  # emits DBA313

        def name(session, key):
            return label(session, key).name

        def owner(session, key):
            return label(session, key).owner_id

        def run(session):
            return name(session, 1), owner(session, 1)
        # says DBA313 <1 of 2 executions>
        # says DBA313 <read it once in `main`>
    """,
    "the same read in a loop, as text": """
        def run(engine):
            with engine.connect() as connection:
                for _ in range(6):  # loops DBA301
                    query = text("SELECT name FROM labels WHERE id = :id")
                    connection.execute(query, {"id": 1}).scalar()  # emits DBA313 # emits DBA301
        # says DBA313 <5 of 6 executions>
    """,
    "a joined row nobody reads": """
        def run(session):
            query = select(Router).options(joinedload(Router.label))
            return [router.name for router in session.scalars(query)]  # emits DBA315
        # says DBA315 <`Router.label` is loaded eagerly>
        # says DBA315 <drop `joinedload(Router.label)`>
    """,
    "one of two batches nobody reads, in async code": """
        async def run(session):
            query = select(Label).options(selectinload(Label.routers).selectinload(Router.ports))
            labels = (await session.scalars(query)).all()  # emits DBA315
            return [router.name for label in labels for router in label.routers]
        # says DBA315 <`Router.ports` is loaded eagerly>
    """,
    "a delete whose condition was optional": """
        def forget(session, status=None):
            query = session.query(Router)
            if status:
                query = query.filter_by(status=status)
            query.delete()  # emits DBA105

        def run(session):
            forget(session)
        # says DBA105 <every row of `routers`>
    """,
    "values in text, built elsewhere": """
        def where(**values):
            return " AND ".join([f"{key} = '{value}'" for key, value in values.items()])

        def run(engine):
            with engine.connect() as connection:
                names = [f"x{number}" for number in connection.execute(select(Label.id)).scalars()]
            for name in names:  # loops DBA301
                with engine.connect() as connection:
                    query = text("SELECT id FROM routers WHERE " + where(name=name))
                    connection.execute(query).all()  # emits DBA101 # emits DBA301
        # says DBA101 <8 texts>
    """,
}

SILENT = {
    "rows that are used besides": """
        def run(session):
            routers = session.scalars(select(Router)).all()
            if not routers:
                return None
            print(end=str(len(routers))[:0])
            return routers[0].name, [router.status for router in routers]
    """,
    "few rows": """
        def run(session):
            two = session.scalars(select(Label).where(Label.id < 3)).all()
            return len(two), bool(two), max(label.id for label in two)
    """,
    "a page": """
        def run(session):
            page = session.scalars(select(Router).order_by(Router.id).limit(10)).all()
            return len(page), session.query(Router).order_by(Router.id).first()
    """,
    "rows kept in an object": """
        class Cache:
            def load(self, session):
                self.routers = session.scalars(select(Router)).all()
                return len(self.routers)

        def run(session):
            return Cache().load(session)
    """,
    "rows in a closure": """
        def run(session):
            routers = session.scalars(select(Router)).all()
            def show():
                return [router.name for router in routers]
            return len(routers), show
    """,
    "rows handed to a function": """
        def show(routers):
            return [router.name for router in routers]

        def run(session):
            routers = session.query(Router).all()
            return show(routers), len(routers)
    """,
    "a filter that only Python can make": """
        def is_wanted(router):
            return hash(router.name) % 2 == 0

        def run(session):
            return [r.name for r in session.scalars(select(Router)) if is_wanted(r)]
    """,
    "two selections of the same rows": """
        def run(session):
            routers = session.scalars(select(Router)).all()
            up = [router for router in routers if router.status == "UP"]
            return up, [router for router in routers if router.status != "UP"]
    """,
    "all but the first": """
        def run(session):
            routers = session.scalars(select(Router).order_by(Router.id)).all()
            return routers[1:]
    """,
    "both branches": """
        def run(session):
            up, down = [], []
            for router in session.scalars(select(Router)):
                if router.status == "UP":
                    up.append(router)
                else:
                    down.append(router)
            return up, down
    """,
    "a product that is asked for, or of one row": """
        def run(session):
            newest = select(sa.func.max(Router.id).label("id")).subquery()
            session.execute(select(Label.id, newest.c.id).join(newest, sa.true())).all()
            session.execute(text("SELECT l.id FROM labels l CROSS JOIN owners o")).all()
            session.execute(text("SELECT l.id FROM labels l, json_each('[1, 2]') j")).all()
            session.execute(text("SELECT l.id FROM labels l, owners o WHERE o.id = 1")).all()
            session.execute(select(Label, Router).where(Label.id == Router.label_id)).all()
    """,
    "one collection joined, the others in batches": """
        def run(session):
            query = select(Label).options(
                joinedload(Label.routers).selectinload(Router.ports), joinedload(Label.owner)
            )
            for label in session.scalars(query).unique():
                print(end=f"{label.owner}{[r.ports for r in label.routers]}"[:0])
    """,
    "read again after a write": """
        def run(session):
            query = select(Label.name).where(Label.id == 1)
            session.scalar(query)
            session.execute(update(Label).where(Label.id == 1).values(name="other"))
            session.scalar(query)
            session.execute(text("WITH x AS (SELECT 1) DELETE FROM ports WHERE id = 0"))
            session.scalar(query)
    """,
    "read again after a commit, after a rollback to a savepoint": """
        def run(session):
            for _ in range(3):
                session.scalar(select(Label.name).where(Label.id == 1))
                session.commit()
            session.scalar(select(Label.name).where(Label.id == 1))
            point = session.begin_nested()
            session.execute(update(Label).where(Label.id == 1).values(name="other"))
            session.scalar(select(Label.name).where(Label.id == 1))
            point.rollback()
            session.scalar(select(Label.name).where(Label.id == 1))
    """,
    "the newest state is asked for": """
        def run(session):
            query = select(Label).where(Label.id == 1).execution_options(populate_existing=True)
            first = session.scalars(query).one()
            session.scalars(query).one()
            session.refresh(first)
            session.refresh(first)
    """,
    "polling": """
        import time

        def run(session):
            for _ in range(5):
                if session.scalar(select(Router.status).where(Router.id == 1)) == "GONE":
                    break
                time.sleep(0)
    """,
    "the identity map, and other keys": """
        def run(session):
            one = session.get(Label, 1)
            two = session.get(Label, 2)
            return one, two, session.get(Label, 1), session.get(Label, 2)
    """,
    "true and one are told apart from other values": """
        def run(session):
            session.scalar(select(Label.name).where(Label.id == -1))
            session.scalar(select(Label.name).where(Label.id == -2))
    """,
    "an eager load that is pickled": """
        import pickle

        def run(session):
            query = select(Label).options(selectinload(Label.routers))
            return pickle.dumps(session.scalars(query).all())
    """,
    "an eager load read by getattr, after the session": """
        def run(engine):
            with Session(engine) as session:
                query = select(Label).options(selectinload(Label.routers))
                labels = session.scalars(query).all()
            return [getattr(label, "rou" + "ters") for label in labels]
    """,
    "an eager load read on one object of many": """
        def run(session):
            query = select(Label).options(joinedload(Label.owner))
            labels = session.scalars(query).all()
            return {label.id: label for label in labels}[4].owner
    """,
    "an eager load added to objects that are there": """
        def run(session):
            labels = session.scalars(select(Label)).all()
            query = select(Label).options(selectinload(Label.routers)).where(Label.id > 0)
            session.scalars(query).all()
            return [label.routers for label in labels]
    """,
    "a stream": """
        async def run(session):
            query = select(Router).execution_options(yield_per=5)
            result = await session.stream_scalars(query)
            return [router.name async for router in result]
    """,
    "all rows meant": """
        def clear_ports(session):
            session.execute(delete(Port))

        def run(session):
            clear_ports(session)
    """,
    "constants in text": """
        def run(engine):
            with engine.connect() as connection:
                for status in ("UP", "DOWN", "ERROR"):
                    query = f"SELECT id FROM routers WHERE status = '{status}'"
                    connection.execute(text(query)).all()
    """,
}


@pytest.mark.parametrize("title", BUGS)
def test_what_was_done_with_the_rows_is_told_with_the_query_that_does_it(
    title: str, scenario: Callable[[str], None]
) -> None:
    scenario(BUGS[title])


@pytest.mark.parametrize("title", SILENT)
def test_reads_that_are_needed_are_left_alone(title: str, scenario: Callable[[str], None]) -> None:
    scenario(SILENT[title])
