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
                for _ in range(6):  # loops DBA313
                    query = text("SELECT name FROM labels WHERE id = :id")
                    connection.execute(query, {"id": 1}).scalar()  # emits DBA313
        # says DBA313 <5 of 6 executions>
        # says DBA313 <read it once before the loop at program.py:13>
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


@pytest.mark.parametrize("title", BUGS)
def test_what_was_done_with_the_rows_is_told_with_the_query_that_does_it(
    title: str, scenario: Callable[[str], None]
) -> None:
    scenario(BUGS[title])
