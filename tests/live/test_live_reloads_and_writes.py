from __future__ import annotations

from collections.abc import Callable

import pytest

BUGS = {
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
    "an async refresh() for each": """
        async def run(session):
            labels = (await session.scalars(select(Label))).all()
            for label in labels:  # loops DBA316
                await session.refresh(label)  # emits DBA316
        # says DBA316 <populate_existing>
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


@pytest.mark.parametrize("title", BUGS)
def test_the_line_that_emits_the_line_that_loops_and_the_mend_are_named(
    title: str, scenario: Callable[[str], None]
) -> None:
    scenario(BUGS[title])
