from __future__ import annotations

from collections.abc import Callable

import pytest

BUGS = {
    "association proxy read per row": """
        def run(session):
            for product in session.scalars(select(Product)).all():  # loops DBA302
                print(end="".join(product.tag_names)[:0])  # emits DBA302
        # says DBA302 <`Product.tags`>
        # says DBA302 <selectinload(Product.tags)>
    """,
    "a property of the model that climbs to the root": """
        def run(session):
            rows = session.scalars(select(Product))  # models DBA302
            return [p.category.path for p in rows]  # loops DBA302 # emits DBA302
    """,
    "dynamic relation per row": """
        def run(session):
            counts = {}
            for customer in session.scalars(select(Customer)).all():  # loops DBA301
                counts[customer.name] = customer.order_query.count()  # emits DBA301
            return counts
    """,
    "view-only relation per row": """
        def run(session):
            customers = session.query(Customer).all()
            return {c.id: len(c.open_orders) for c in customers}  # loops DBA302 # emits DBA302
        # says DBA302 <`Customer.open_orders`>
    """,
    "one to one per row": """
        def run(session):
            texts = []
            for customer in session.query(Customer):  # loops DBA302
                texts.append(customer.profile.text)  # emits DBA302
            return texts
        # says DBA302 <joinedload(Customer.profile)>
    """,
    "generic repository": """
        class Repository:
            model = None
            def __init__(self, session):
                self.session = session
            def by_id(self, key):
                query = select(self.model).where(self.model.id == key)
                return self.session.execute(query).scalar_one()  # emits DBA301

        class Products(Repository):
            model = Product

        class Pricing:
            def __init__(self, products):
                self.products = products
            def price_of(self, line):
                return self.products.by_id(line.product_id).price * line.quantity
            def total(self, lines):
                return sum(self.price_of(line) for line in lines)  # loops DBA301

        def run(session):
            return Pricing(Products(session)).total(session.scalars(select(Line)).all())
        # says DBA301 <`Product.id.in_(...)`>
    """,
    "a decorator around the helper": """
        import functools
        def logged(f):
            @functools.wraps(f)
            def call(*args, **kwargs):
                return f(*args, **kwargs)
            return call

        @logged
        def lines_of(session, order_id):
            return session.query(Line).filter_by(order_id=order_id).all()  # emits DBA301

        def run(session):
            for order in session.query(Order).all():  # loops DBA301
                lines_of(session, order.id)
        # says DBA301 <`Line.order_id.in_(...)`>
    """,
    "a generator pipeline": """
        def orders(session):
            yield from session.scalars(select(Order)).all()
        def with_customer(rows):
            for order in rows:  # loops DBA302
                yield order, order.customer.name  # emits DBA302
        def only_open(pairs):
            return ((o, n) for o, n in pairs if o.status == "open")
        def run(session):
            return dict((o.id, n) for o, n in only_open(with_customer(orders(session))))
        # says DBA302 <joinedload(Order.customer)>
    """,
    "a merge for each row": """
        def run(session):
            rows = [{"id": n, "name": "x"} for n in range(1, 9)]
            for row in rows:  # loops DBA301 # loops DBA322
                session.merge(Product(**row))  # emits DBA301 # emits DBA322
            session.commit()
    """,
    "an upsert for each row": """
        from sqlalchemy.dialects.sqlite import insert as upsert
        def run(engine):
            with engine.begin() as connection:
                for number in range(9):  # loops DBA303
                    query = upsert(Counter).values(name=f"c{number}", value=1)
                    query = query.on_conflict_do_update(index_elements=["name"], set_={"value": 2})
                    connection.execute(query)  # emits DBA303
    """,
    "get or create with flush": """
        def get_or_create(session, name):
            tag = session.query(Tag).filter_by(name=name).one_or_none()  # emits DBA301
            if tag is None:
                tag = Tag(name=name)
                session.add(tag)
                session.flush()
            return tag
        def run(session):
            tags = [get_or_create(session, f"new{n}") for n in range(9)]  # loops DBA301
            session.commit()
    """,
    "query property of the model": """
        from sqlalchemy.orm import scoped_session, sessionmaker
        def run(engine):
            session = scoped_session(sessionmaker(engine))
            Base.query = session.query_property()
            for order in Order.query.all():  # loops DBA302
                assert order.customer.name  # emits DBA302
            session.remove()
        # says DBA302 <joinedload(Order.customer)>
    """,
    "recursion by query": """
        def descend(session, parent_id):
            found = session.query(Category).filter_by(parent_id=parent_id).all()  # emits DBA301
            below = [descend(session, child.id) for child in found]  # loops DBA301
            return [*found, *below]
        def run(session):
            return descend(session, 1)
        # says DBA301 <recursive CTE>
    """,
    "awaitable attributes": """
        async def run(session):
            customers = (await session.scalars(select(Customer))).all()
            for c in customers:  # loops DBA302
                await session.run_sync(lambda s: len(c.orders))  # emits DBA302
    """,
    "gather over one session factory": """
        import asyncio
        async def total(engine, key):
            async with AsyncSession(engine) as session:
                query = select(func.sum(Order.total)).where(Order.customer_id == key)
                return await session.scalar(query)  # emits DBA301
        async def run(engine):
            return await asyncio.gather(*[total(engine, k) for k in range(1, 7)])  # loops DBA301
    """,
}


@pytest.mark.parametrize("title", BUGS)
def test_a_bug_of_a_shop_is_told_on_its_line_with_its_fix(
    title: str, scenario: Callable[..., None]
) -> None:
    scenario(BUGS[title], models="shop")
