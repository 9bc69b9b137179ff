"""Reads of rows that a program needs, and of which nothing is said."""

from __future__ import annotations

from collections.abc import Callable

import pytest

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
    "a line that empties a whole database": """
        def forget(session, table):
            session.execute(delete(table))

        def run(session):
            for table in reversed(Base.metadata.sorted_tables):
                forget(session, table)
    """,
    "a fixture that cleans up": """
        class DatabaseFixture:
            def end(self, session):
                session.query(Port).delete()

        def run(session):
            DatabaseFixture().end(session)
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


@pytest.mark.parametrize("title", SILENT)
def test_reads_that_are_needed_are_left_alone(title: str, scenario: Callable[[str], None]) -> None:
    scenario(SILENT[title])
