from __future__ import annotations

from collections.abc import Callable

import pytest

CORRECT = {
    "hybrid on the class": """
        def run(session):
            return session.query(Product).filter(Product.is_cheap).all()
    """,
    "column property": """
        def run(session):
            return [(p.name, p.line_count) for p in session.query(Product)]
    """,
    "subqueryload": """
        from sqlalchemy.orm import subqueryload
        def run(session):
            query = session.query(Customer).options(subqueryload(Customer.orders))
            return [len(c.orders) for c in query]
    """,
    "identity map answers": """
        def run(session):
            products = session.query(Product).all()
            lines = session.query(Line).all()
            return [(l.product.name, l.quantity) for l in lines], products
    """,
    "lru cache around the query": """
        import functools
        def run(session):
            @functools.lru_cache(maxsize=None)
            def limit(name):
                return session.query(Counter.value).filter_by(name=name).scalar()
            return [o for o in session.query(Order).all() if o.total > limit("orders")]
    """,
    "keyset pages": """
        def pages(session, size=5):
            last = 0
            while True:
                query = session.query(Order).filter(Order.id > last).order_by(Order.id)
                rows = query.limit(size).all()
                if not rows:
                    return
                yield rows
                last = rows[-1].id
        def run(session):
            return sum(len(page) for page in pages(session))
    """,
    "chunks of ids with islice": """
        import itertools
        def chunks(items, size):
            items = iter(items)
            while piece := list(itertools.islice(items, size)):
                yield piece
        def run(session):
            ids = list(range(1, 25))
            found = []
            for piece in chunks(ids, 5):
                found += session.query(Order).filter(Order.id.in_(piece)).all()
            return found
    """,
    "rows used after they were counted": """
        def run(session):
            rows = session.query(Order).all()
            print(end=str(len(rows))[:0])
            return [r.status for r in rows]
    """,
    "filtered twice in python": """
        def run(session):
            rows = session.query(Order).all()
            a = [r.id for r in rows if r.status == "open"]
            b = [r.id for r in rows if r.status == "sent"]
            return a, b
    """,
    "save point for each item": """
        from sqlalchemy.exc import IntegrityError
        def run(session):
            session.commit()
            for name in ("0@x", "a@x", "1@x", "b@x"):
                try:
                    with session.begin_nested():
                        session.add(Customer(name="n", email=name))
                except IntegrityError:
                    pass
            session.commit()
    """,
    "the key of the parent is needed": """
        def run(session):
            made = []
            for n in range(6):
                order = Order(status="new")
                session.add(order)
                session.flush()
                made.append({"order_id": order.id, "quantity": 1})
            session.execute(insert(Line), made)
            session.commit()
    """,
    "write only pattern": """
        def run(session):
            customer = session.get(Customer, 1)
            return customer.order_query.filter_by(status="open").limit(2).all()
    """,
    "contains eager": """
        from sqlalchemy.orm import contains_eager
        def run(session):
            q = session.query(Customer).join(Customer.orders).filter(Order.status == "open")
            q = q.options(contains_eager(Customer.orders))
            return [[o.id for o in c.orders] for c in q]
    """,
    "a worker with one transaction an item": """
        from sqlalchemy.orm import sessionmaker
        def handle(factory, key):
            with factory.begin() as session:
                order = session.get(Order, key)
                order.status = "done"
                session.add(Line(order_id=order.id, quantity=1))
        def run(engine):
            factory = sessionmaker(engine)
            with factory() as session:
                keys = session.scalars(select(Order.id)).all()
            for key in keys:
                handle(factory, key)
    """,
    "upsert of many": """
        from sqlalchemy.dialects.sqlite import insert as upsert
        def run(engine):
            with engine.begin() as c:
                q = upsert(Counter).values([{"name": str(n), "value": n} for n in range(9)])
                c.execute(q.on_conflict_do_nothing())
    """,
    "a job queue, one at a time": """
        def claim(session):
            waiting = session.query(Order).filter_by(status="open").order_by(Order.id)
            job = waiting.limit(1).with_for_update().first()
            if job is not None:
                job.status = "taken"
            session.commit()
            return job
        def run(session):
            while claim(session):
                pass
    """,
    "an engine for each tenant": """
        import sqlalchemy
        def run(engine):
            urls = [engine.url] * 4
            for url in urls:
                tenant = sqlalchemy.create_engine(url)
                with tenant.connect() as connection:
                    connection.execute(text("SELECT count(*) FROM orders")).scalar()
                tenant.dispose()
    """,
    "levels with async": """
        async def run(session):
            level, found = [1], []
            while level:
                query = select(Category.id).where(Category.parent_id.in_(level))
                level = (await session.scalars(query)).all()
                found += level
            return found
    """,
    "pages by a class": """
        class Pages:
            def __init__(self, session, size):
                self.session, self.size, self.last = session, size, 0
            def __iter__(self):
                return self
            def __next__(self):
                query = select(Order).where(Order.id > self.last).order_by(Order.id)
                rows = self.session.scalars(query.limit(self.size)).all()
                if not rows:
                    raise StopIteration
                self.last = rows[-1].id
                return rows
        def run(session):
            return [row.id for page in Pages(session, 5) for row in page]
    """,
    "iter with a sentinel over fetchmany": """
        def run(engine):
            with engine.connect() as connection:
                result = connection.execute(select(Line.__table__))
                for rows in iter(lambda: result.fetchmany(10), []):
                    assert rows
    """,
    "loaded once then looked up": """
        class Cache:
            def __init__(self, session):
                self.session, self.products = session, None
            def name(self, key):
                if self.products is None:
                    self.products = {p.id: p for p in self.session.query(Product)}
                return self.products[key].name
        def run(session):
            cache = Cache(session)
            return [cache.name(line.product_id) for line in session.query(Line).all()]
    """,
    "filtered by what the database cannot know": """
        import re
        def run(session):
            names = session.scalars(select(Product)).all()
            return [p for p in names if re.match("product[0-3]$", p.name)]
    """,
    "eager load used in a template": """
        def run(session):
            orders = session.scalars(select(Order).options(joinedload(Order.customer))).all()
            return ["{0.customer.name}".format(o) for o in orders]
    """,
    "flush in batches": """
        def run(session):
            for n in range(60):
                session.add(Tag(name=str(n)))
                if n % 20 == 19:
                    session.flush()
            session.commit()
    """,
    "joined inheritance with one join": """
        from sqlalchemy.orm import with_polymorphic
        def run(session):
            everyone = with_polymorphic(Employee, [Engineer, Manager])
            return [(e.name, getattr(e, "language", None)) for e in session.query(everyone)]
    """,
    "many to one found in the session": """
        def run(session):
            boss = session.query(Manager).one()
            engineers = session.query(Engineer).all()
            return [e.boss.name for e in engineers], boss
    """,
    "wait for a state by event": """
        import threading
        def run(session):
            changed = threading.Event()
            for _ in range(6):
                order = session.get(Order, 1, populate_existing=True)
                if order.status == "gone" or changed.wait(0.001):
                    break
    """,
}


@pytest.mark.parametrize("title", CORRECT)
def test_correct_code_of_a_shop_is_left_alone(title: str, scenario: Callable[..., None]) -> None:
    scenario(CORRECT[title], models="shop")
