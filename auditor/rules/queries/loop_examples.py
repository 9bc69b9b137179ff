"""Examples of DBA301: what repeats a query, and what only looks like it."""

from __future__ import annotations

from auditor.rule import Example, LiveExample

_MODELS = """
        from sqlalchemy.orm import Session
        from app.models import Label, Router
"""
_RUN = """
        import sqlalchemy as sa
        from sqlalchemy import orm

        Base = orm.declarative_base()

        class Router(Base):
            __tablename__ = "routers"
            id = sa.Column(sa.Integer, primary_key=True)
            name = sa.Column(sa.String(40))

        def prepare(engine):
            Base.metadata.create_all(engine)
            with engine.begin() as connection:
                connection.execute(sa.insert(Router), [{"id": n} for n in range(1, 9)])
"""
BAD = (
    Example(
        "a method of each row that queries",
        """
        from flask_sqlalchemy import SQLAlchemy
        db = SQLAlchemy()

        class Device(db.Model):
            name = db.Column(db.String(40))

            def seen(self):
                return Device.query.filter_by(name=self.name).count()

        def seen():
            return [device.seen() for device in Device.query.all()]  # expect: DBA301
        """,
    ),
    Example(
        "a parameter that is used as a query",
        """
        def segments(cls, query, fixed_ips):
            found = []
            for fixed_ip in fixed_ips:
                key = fixed_ip["subnet_id"]
                found += query.filter(cls.db_model.id == key).all()  # expect: DBA301
            return found
        """,
    ),
    Example(
        "connections that functions are handed; what is kept of one group is of no use to the next",
        """
        import sqlalchemy as sa

        def builders(pool, model):
            def run(handle):
                last = None
                for row in handle.execute(sa.select(model.builders)).fetchall():
                    if not last or row.id != last["id"]:
                        last = {"id": row.id, "tags": tags(handle, model, row)}  # expect: DBA301
                    yield last
            return pool.do(run)

        def tags(handle, model, row):
            query = sa.select(model.tags.c.name).where(model.tags.c.builder_id == row.id)
            return [found.name for found in handle.execute(query)]
        """,
    ),
    Example(
        "a query for each item",
        _MODELS
        + """
        def routers(session: Session, labels):
            found = []
            for label in labels:
                found += (
                    session.query(Router)  # expect: DBA301
                    .filter_by(project_id=label.project_id)
                    .all()
                )
            return found
        """,
    ),
    Example(
        "through calls and across modules",
        """
        # --- app/store.py
        from sqlalchemy import select
        from sqlalchemy.orm import Session
        from app.models import Router

        class Store:
            def __init__(self, session: Session):
                self.session = session

            def router(self, key):
                return self._load(key)

            def _load(self, key):
                return self.session.scalars(select(Router).where(Router.id == key)).first()

        # --- app/sync.py
        from app.store import Store

        def sync(session, keys):
            store = Store(session)
            return [store.router(key).name for key in keys]  # expect: DBA301
        """,
    ),
    Example(
        "one branch of the loop queries",
        _MODELS
        + """
        def names(session: Session, labels):
            for label in labels:
                if label.shared:
                    yield label.name
                else:
                    router = session.get(Router, label.router_id)  # expect: DBA301
                    yield router.name
        """,
    ),
    Example(
        "a queue of work",
        _MODELS
        + """
        def tree(session: Session, waiting):
            while waiting:
                key = waiting.pop()
                waiting += session.query(Label.id).filter_by(parent=key).all()  # expect: DBA301
        """,
    ),
    LiveExample(
        "recorded: text with the values pasted in",
        _RUN  # noqa: S608 - the offence of another rule, in the text of an example
        + """
        def name_of(connection, key):
            query = sa.text("SELECT name FROM routers WHERE id = %d" % key)
            return connection.execute(query).scalar()  # expect: DBA301

        def run(engine):
            with engine.connect() as connection:
                for key in connection.scalars(sa.text("SELECT id FROM routers")).all():
                    name_of(connection, key)
        """,
    ),
    LiveExample(
        "recorded: an async session",
        _RUN
        + """
        from sqlalchemy.ext.asyncio import AsyncSession

        async def run(engine):
            async with AsyncSession(engine) as session:
                for key in (await session.scalars(sa.select(Router.id))).all():
                    query = sa.select(Router).where(Router.id == key)
                    await session.scalar(query)  # expect: DBA301
        """,
    ),
    Example(
        "in the function that the loop calls, too",
        _MODELS
        + """
        def detail(session: Session, labels):
            return [_shown(session, label) for label in labels]  # expect: DBA301

        def show(session: Session, label):
            return _shown(session, label)

        def _shown(session: Session, label):
            router = session.get(Router, label.router_id)  # expect: DBA301
            return {"id": label.id, "router": router.name}
        """,
    ),
    Example(
        "handed to map",
        _MODELS
        + """
        def load(session: Session, keys):
            def one(key):
                return session.get(Router, key)
            return list(map(one, keys))  # expect: DBA301
        """,
    ),
    Example(
        "through a plugin that a directory finds",
        """
        # --- app/plugin.py
        from sqlalchemy.orm import Session
        from app.models import Router

        class Plugin:
            def router_of(self, session: Session, key):
                return session.query(Router).get(key)
        # --- app/api.py
        from app.models import directory

        def attach(session, keys):
            plugin = directory.get_plugin()
            for key in keys:
                key.attach(plugin.router_of(session, key))  # expect: DBA301
        """,
    ),
    Example(
        "a session for what the scan does not see",
        _MODELS
        + """
        def routers(session: Session, labels):
            return [Router.find_by_label(label, session) for label in labels]  # expect: DBA301
        """,
    ),
)
GOOD = (
    Example(
        "one key, as the test before says",
        _MODELS
        + """
        def owner_of(session: Session, keys):
            if len(keys) > 1:
                return None
            return {session.get(Router, key).owner for key in keys}
        """,
    ),
    Example(
        "columns to check, which the schema bounds",
        """
        def values(connection, check_columns):
            return [connection.execute(column.select()).all() for column in check_columns]
        """,
    ),
    Example(
        "parameters of other libraries that are filtered or execute something",
        """
        def chosen(queryset, frame, shell, keys):
            for key in keys:
                yield queryset.filter(owner=key).all()
                yield frame.filter(frame.owner == key).count()
                yield shell.execute(key), frame.filter(lambda row: row == key).all()
        """,
    ),
    Example(
        "the query is the iterable",
        _MODELS
        + """
        def names(session: Session):
            return [router.name for router in session.query(Router).all()]
        """,
    ),
    Example(
        "pieces of a long list",
        _MODELS
        + """
        def load(session: Session, ids):
            found = []
            for start in range(0, len(ids), 500):
                piece = ids[start : start + 500]
                found += session.query(Router).filter(Router.id.in_(piece)).all()
            return found
        """,
    ),
    LiveExample(
        "recorded: pages by key",
        _RUN
        + """
        def run(engine):
            last = 0
            with orm.Session(engine) as session:
                while True:
                    query = sa.select(Router).where(Router.id > last).order_by(Router.id)
                    rows = session.scalars(query.limit(2)).all()
                    if not rows:
                        break
                    last = rows[-1].id
        """,
    ),
    LiveExample(
        "recorded: lists of keys",
        _RUN
        + """
        def run(engine):
            with orm.Session(engine) as session:
                for keys in ([1, 2], [3, 4], [5, 6], [7, 8]):
                    session.scalars(sa.select(Router).where(Router.id.in_(keys))).all()
        """,
    ),
    Example(
        "attempts, left on success",
        _MODELS
        + """
        def load(session: Session, key, attempts):
            for attempt in range(attempts):
                try:
                    return session.query(Router).filter_by(id=key).one()
                except LookupError:
                    continue
        """,
    ),
    Example(
        "attempts that are entered",
        _MODELS
        + """
        def load(session: Session, key):
            for attempt in retries():
                with attempt:
                    return_value = session.query(Router).filter_by(id=key).one()
            return return_value
        """,
    ),
    Example(
        "pages until there is none",
        _MODELS
        + """
        def every(session: Session):
            last = ""
            while True:
                rows = session.query(Router).filter(Router.id > last).limit(100).all()
                if not rows:
                    break
                yield rows
                last = rows[-1].id
        """,
    ),
    Example(
        "loaded once, on first need",
        _MODELS
        + """
        def attach(session: Session, labels):
            routers = None
            for label in labels:
                if routers is None:
                    routers = session.query(Router).all()
                label.attach(routers)
        """,
    ),
    Example(
        "as many turns as the source says",
        _MODELS
        + """
        def counts(session: Session):
            return {model: session.query(model).count() for model in (Label, Router)}
        """,
    ),
    Example(
        "a dict is no session",
        """
        def names(routers: dict, keys):
            return [routers.get(key) for key in keys]
        """,
    ),
    Example(
        "a function made for later",
        _MODELS
        + """
        def loaders(session: Session, keys):
            return [lambda key=key: session.get(Router, key) for key in keys]
        """,
    ),
    Example(
        "called for one only",
        _MODELS
        + """
        def show(session: Session, label):
            return _shown(session, label)

        def created(session: Session, label):
            session.add(label)
            return _shown(session, label)

        def _shown(session: Session, label):
            return session.get(Router, label.router_id)
        """,
    ),
    Example(
        "one of the functions of that name asks a server",
        """
        # --- app/plugins.py
        from sqlalchemy.orm import Session
        from app.models import Router

        class Stored:
            def router_of(self, session: Session, key):
                return session.query(Router).get(key)

        class Remote:
            def router_of(self, session, key):
                return self.client.ask(key)
        # --- app/api.py
        from app.models import plugin

        def attach(session, keys):
            return [plugin.router_of(session, key) for key in keys]
        """,
    ),
)
