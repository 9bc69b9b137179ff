from __future__ import annotations

from collections.abc import Callable

import pytest

BUGS = {
    "sum in python": """
        def run(session):
            return sum(o.total for o in session.query(Order))  # emits DBA308
    """,
    "the same setting read by each check": """
        def limit(session):
            return session.query(Counter.value).filter_by(name="orders").scalar()  # emits DBA313
        def allowed(session, order):
            return order.total >= limit(session)
        def run(session):
            return [o for o in session.query(Order).all() if allowed(session, o)]  # loops DBA313
        # says DBA313 <read it once before the comprehension>
    """,
    "sorted by a relation": """
        from operator import attrgetter

        def run(session):
            lines = session.query(Line).all()
            return sorted(lines, key=attrgetter("product.name"))  # emits DBA302 # loops DBA302
        # says DBA302 <joinedload(Line.product)>
    """,
    "a class with __iter__ over rows": """
        class Lines:
            def __init__(self, session):
                self.session = session
            def __iter__(self):
                return iter(self.session.query(Line).all())
        def run(session):
            return {line.product.name for line in Lines(session)}  # loops DBA302 # emits DBA302
        # says DBA302 <joinedload(Line.product)>
    """,
    "lazy loads of two relations on one line": """
        def run(session):
            pairs = []
            for line in session.query(Line):  # loops DBA302 # loops DBA302
                pairs.append((line.order.status, line.product.name))  # emits DBA302
            return pairs
    """,
    "an exit stack of sessions": """
        import contextlib
        def run(engine):
            with contextlib.ExitStack() as stack:
                session = stack.enter_context(Session(engine))
                stack.enter_context(session.begin())
                for order in session.query(Order):  # loops DBA302
                    order.lines[0].quantity  # emits DBA302
    """,
    "groups of rows, a query for each group": """
        import itertools
        def run(session):
            lines = session.query(Line).order_by(Line.product_id).all()
            out = {}
            groups = itertools.groupby(lines, key=lambda line: line.product_id)
            for key, group in groups:  # loops DBA301
                product = session.query(Product).filter(Product.id == key).first()  # emits DBA301
                out[product.name] = sum(line.quantity for line in group)
            return out
    """,
    "serializers by a table of fields": """
        FIELDS = {"id": lambda o: o.id, "customer": lambda o: o.customer.name}  # emits DBA302
        def serialize(order):
            return {name: read(order) for name, read in FIELDS.items()}
        def run(session):
            return [serialize(o) for o in session.query(Order).all()]  # loops DBA302
    """,
    "a lookup hidden in a property of a service": """
        class Basket:
            def __init__(self, session, order):
                self._session, self._order = session, order
            @property
            def total(self):
                lines = self._session.query(Line).filter_by(order_id=self._order.id)
                return sum(line.quantity for line in lines)  # emits DBA301
        def run(session):
            orders = session.query(Order).all()
            return {o.id: Basket(session, o).total for o in orders}  # loops DBA301
    """,
    "second level behind selectinload": """
        def run(session):
            query = select(Customer).options(selectinload(Customer.orders))
            customers = session.scalars(query).all()
            orders = [o for c in customers for o in c.orders]
            return [len(o.lines) for o in orders]  # loops DBA302 # emits DBA302
        # says DBA302 <selectinload(Customer.orders).selectinload(Order.lines)>
    """,
    "async for over an async generator that queries": """
        async def lines(session, ids):
            for key in ids:  # loops DBA301
                query = select(Line).where(Line.order_id == key)
                rows = await session.scalars(query)  # emits DBA301
                for row in rows:
                    yield row
        async def run(session):
            ids = (await session.scalars(select(Order.id))).all()
            return [row.id async for row in lines(session, ids)]
    """,
    "immediateload of a collection": """
        from sqlalchemy.orm import immediateload
        def run(session):
            query = select(Customer).options(immediateload(Customer.orders))
            customers = session.scalars(query).all()  # emits DBA302
            return [len(c.orders) for c in customers]
        # says DBA302 <selectinload(Customer.orders)>
    """,
    "a listener that queries on flush": """
        from sqlalchemy import event
        def run(session):
            seen = []
            @event.listens_for(session, "before_flush")
            def look(s, context, instances):
                with s.no_autoflush:
                    for obj in s.new:  # loops DBA301
                        query = select(func.count(Tag.id)).where(Tag.name == obj.name)
                        seen.append(s.scalar(query))  # emits DBA301
            session.add_all(Tag(name=str(n)) for n in range(8))
            session.commit()
    """,
    "a stack instead of recursion": """
        def run(session):
            stack = [session.scalar(select(Category).where(Category.parent_id.is_(None)))]
            names = []
            while stack:  # loops DBA302
                node = stack.pop()
                names.append(node.name)
                stack.extend(node.children)  # emits DBA302
            return names
        # says DBA302 <`Category.children`>
    """,
    "reduce over queries": """
        import functools
        def add(session, total, key):
            return total + session.get(Product, key).price  # emits DBA301
        def run(session):
            one = lambda total, key: add(session, total, key)
            return functools.reduce(one, range(1, 13), 0)  # loops DBA301
    """,
    "count by len of scalars": """
        def run(session):
            rows = session.scalars(select(Line.id)).all()
            return {"lines": len(rows)}  # emits DBA306
    """,
}


@pytest.mark.parametrize("title", BUGS)
def test_another_bug_of_a_shop_is_told_on_its_line_with_its_fix(
    title: str, scenario: Callable[..., None]
) -> None:
    scenario(BUGS[title], models="shop")
