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
    "a counter, and a commit for each": """
        def run(session):
            labels = session.scalars(select(Label)).all()
            at = 0
            while at < len(labels):  # loops DBA304 # loops DBA316
                labels[at].name = "new"
                at += 1
                session.commit()  # emits DBA304 # emits DBA316
        # says DBA304 <7 transactions>
        # says DBA316 <what stands on line 17, inside the loop, expires every row>
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
}


@pytest.mark.parametrize("title", BUGS)
def test_the_line_that_emits_the_line_that_loops_and_the_mend_are_named(
    title: str, scenario: Callable[[str], None]
) -> None:
    scenario(BUGS[title])
