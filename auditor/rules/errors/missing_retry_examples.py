"""What DBA216 reports: transactions without the retry on deadlocks that they need."""

from __future__ import annotations

from auditor.rule import Example

WITHOUT_RETRY = (
    Example(
        "one of three",
        """
        from oslo_db import api as oslo_db_api
        from oslo_db.sqlalchemy import enginefacade

        @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
        @enginefacade.writer
        def create(context, label):
            context.session.add(label)

        @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
        @enginefacade.writer
        def update(context, label_id, values):
            context.session.query(Label).filter_by(id=label_id).update(values)

        @enginefacade.writer
        def delete(context, label_id):  # expect: DBA216
            context.session.query(Label).filter_by(id=label_id).delete()
        """,
    ),
    Example(
        "row locks, next to one that retries",
        """
        from oslo_db import api as oslo_db_api
        from oslo_db.sqlalchemy import enginefacade

        class Quotas:
            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            def reserve(self, context, project_id):
                with enginefacade.writer.using(context) as session:
                    row = session.query(Quota).with_for_update().first()
                    session.add(row)

            def commit(self, context, project_id):  # expect: DBA216
                with enginefacade.writer.using(context) as session:
                    row = session.query(Quota).with_for_update().first()
                    session.add(row)
        """,
    ),
    Example(
        "a decorator of the program's own, and several ranges in one transaction",
        """
        from oslo_db import exception as db_exc
        from oslo_db.sqlalchemy import enginefacade

        def retried(function):
            def again(*args):
                while True:
                    try:
                        return function(*args)
                    except db_exc.DBDeadlock:
                        continue
            return again

        @retried
        @enginefacade.writer
        def create(context, label):
            context.session.add(label)

        @enginefacade.writer
        def forget(context, owner):  # expect: DBA216
            context.session.query(Label).filter_by(owner=owner).delete()
            context.session.query(Rule).filter_by(owner=owner).delete()
        """,
    ),
    Example(
        "a lock on a row that may not be there, then its insert",
        """
        from oslo_db import exception as db_exc

        def reserve(session, project_id):  # expect: DBA216
            with session.begin():
                quota = session.query(Quota).filter_by(project_id=project_id)
                row = quota.with_for_update().first() or Quota(project_id=project_id)
                session.add(row)
        """,
    ),
    Example(
        "called where a deadlock becomes an error of the program: nothing is repeated",
        """
        from oslo_db import exception as db_exc

        class Busy(Exception):
            pass

        def update(session, project_id, limit):  # expect: DBA216
            with session.begin():
                quota = session.query(Quota).filter_by(project_id=project_id)
                row = quota.with_for_update().first() or Quota(project_id=project_id)
                row.limit = limit
                session.add(row)

        def reserve(session, project_id):
            try:
                update(session, project_id, 10)
            except db_exc.DBDeadlock:
                raise Busy()
        """,
    ),
    Example(
        "a block in a method",
        """
        from oslo_db import api as oslo_db_api
        from oslo_db.sqlalchemy import enginefacade

        class Trusts:
            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            def create(self, context, trust):
                with enginefacade.writer.using(context) as session:
                    session.add(trust)

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            def delete(self, context, trust):
                with enginefacade.writer.using(context) as session:
                    session.delete(trust)

            def consume(self, context, trust):  # expect: DBA216
                with enginefacade.writer.using(context) as session:
                    session.query(Trust).filter_by(id=trust.id).update({"used": True})
        """,
    ),
    Example(
        "a retry whose checker leaves deadlocks out",
        """
        from oslo_db import api as oslo_db_api
        from oslo_db import exception as db_exc
        from oslo_db.sqlalchemy import enginefacade

        def is_duplicate(error):
            return isinstance(error, (db_exc.DBDuplicateEntry, db_exc.DBReferenceError))

        @oslo_db_api.wrap_db_retry(exception_checker=is_duplicate)
        @enginefacade.writer
        def tag(context, name):  # expect: DBA216
            context.session.query(Tag).filter_by(name=name).update({"used": True})

        class Tags:
            @oslo_db_api.wrap_db_retry(
                exception_checker=lambda e: isinstance(e, db_exc.DBDuplicateEntry)
            )
            def update(self, context, tags):  # expect: DBA216
                with enginefacade.writer.using(context):
                    context.session.query(Tag).filter(Tag.name.not_in(tags)).delete()
        """,
    ),
)
