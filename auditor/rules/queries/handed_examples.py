"""Examples of rows whose lazy relations are read where a loop hands them to (DBA302)."""

from __future__ import annotations

from auditor.rule import Example

_MODELS = """
            from sqlalchemy import Column, ForeignKey, Integer, String, select
            from sqlalchemy.orm import Session, declarative_base, joinedload, relationship

            Base = declarative_base()

            class User(Base):
                __tablename__ = "users"
                id = Column(Integer, primary_key=True)
                name = Column(String(64))

            class Alert(Base):
                __tablename__ = "alerts"
                id = Column(Integer, primary_key=True)
                user_id = Column(ForeignKey("users.id"))
                user = relationship(User)

                @classmethod
                def all(cls, session: Session):
                    return session.query(Alert).order_by(Alert.id){mark}

                @classmethod
                def with_users(cls, session: Session):
                    return session.query(Alert).options(joinedload(Alert.user))

                def to_dict(self, full=True):
                    made = {{"id": self.id}}
                    if full:
                        made["user"] = self.user.name
                    return made
"""
_MARKED = _MODELS.format(mark="  # expect: DBA302")
_PLAIN = _MODELS.format(mark="")
BAD = (
    Example(
        "a method of each row; the default of its parameter decides",
        _MARKED
        + """
            def alerts(session: Session):
                return [alert.to_dict() for alert in Alert.all(session)]
            """,
    ),
    Example(
        "the call decides",
        _MARKED
        + """
            def alerts(session: Session):
                found = []
                for alert in Alert.all(session):
                    found.append(alert.to_dict(full=True))
                return found
            """,
    ),
    Example(
        "rows handed to another function",
        _PLAIN
        + """
            class Sync:
                def all(self, session: Session):
                    alerts = session.scalars(select(Alert)).all()
                    return self._collect(alerts)

                def _collect(self, alerts):
                    return {alert.id: alert.user.name for alert in alerts}  # expect: DBA302
            """,
    ),
)
GOOD = (
    Example(
        "the call leaves the relation out",
        _PLAIN
        + """
            def alerts(session: Session):
                return [alert.to_dict(full=False) for alert in Alert.all(session)]
            """,
    ),
    Example(
        "what decides is not known",
        _PLAIN
        + """
            def alerts(session: Session, full):
                return [alert.to_dict(full) for alert in Alert.all(session)]
            """,
    ),
    Example(
        "the query loads the relation",
        _PLAIN
        + """
            def alerts(session: Session):
                return [alert.to_dict() for alert in Alert.with_users(session)]
            """,
    ),
)
