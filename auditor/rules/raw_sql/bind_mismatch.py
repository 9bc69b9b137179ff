"""DBA108: the names in a `text()` and the names bound to it do not fit."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import Takes
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.rules.raw_sql.bound_names import (
    bound_text,
    is_text,
    names_passed,
)
from auditor.rules.raw_sql.sinks import texts_given
from auditor.source.facts import (
    At,
    Attribute,
    Bind,
    Call,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
)
from auditor.source.pieces import Place
from auditor.source.project import Project

_REMOVED = ("bindparams", "typemap", "autocommit")
_COLLECTS = frozenset({"append", "extend", "add", "insert"})
_LOOPS = frozenset({"for", "while", "comprehension"})


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Texts whose names get no value, values whose name is not in the text, names used twice."""
    if function.name == "<module>" and not function.events:
        return
    place = Place(project, module, function)
    found = (*_removed(place), *_executed(place), *_bound(place), *_repeated(place))
    for at, says in dict.fromkeys(found):
        yield Hit(span_of(module, at), function.qualname, {"says": says})


def _removed(place: Place) -> Iterator[tuple[At, str]]:
    for event in place.function.events:
        if isinstance(event, Call) and event.keywords and is_text(place, event):
            for name in (name for name in _REMOVED if event.keyword(name) is not None):
                yield event.at, f"`text()` takes no `{name}=` since SQLAlchemy 1.4: TypeError"


def _executed(place: Place) -> Iterator[tuple[At, str]]:
    """What is executed with parameters that do not fit its text."""
    for given in texts_given(place.project, place.module, place.function):
        is_executed = given.row.takes is Takes.STATEMENT and given.row.on and not given.handed_on
        found = bound_text(place, given.text) if is_executed else None
        passed = names_passed(place, given.call)
        if found is None or passed is None or not (found.is_whole and found.is_closed):
            continue
        missing = [n for n in found.names if n not in found.bound and n not in passed]
        extra = [n for n in passed if n not in found.names]
        if missing:
            yield given.call.at, f"{_listed(missing, ':')} in the text gets no value"
        if extra:
            yield given.call.at, f"{_listed(extra)} is passed and the text has no such name"


def _bound(place: Place) -> Iterator[tuple[At, str]]:
    """`.bindparams()` of names that the text does not have."""
    for event in place.function.events:
        if isinstance(event, Call) and _is_bindparams(event):
            found = bound_text(place, event)
            extra = [n for n in found.bound if n not in found.names] if found else []
            if found and found.is_whole and extra:
                yield found.call.at, f"{_listed(extra)} is bound and the text has no such name"


def _is_bindparams(call: Call) -> bool:
    return isinstance(call.func, Attribute) and call.func.name == "bindparams"


def _repeated(place: Place) -> Iterator[tuple[At, str]]:
    """Texts made and collected in a loop that all bind the same name: they end in one statement,
    where a name has one value."""
    for event in place.function.events:
        if not isinstance(event, Call) or not _is_bindparams(event):
            continue
        loop = _loop_of(place.function, event.region)
        found = bound_text(place, event) if loop >= 0 else None
        shared = [n for n in found.bound if n in found.names] if found else []
        if found and shared and _is_collected(place.function, loop, event):
            names = _listed(shared, ":")
            yield found.call.at, f"each turn of the loop binds {names}, which has one value in all"


def _loop_of(function: FunctionFacts, region: int) -> int:
    loops = (r.index for r in function.ancestors(region) if r.kind in _LOOPS)
    return next(loops, -1)


def _is_collected(function: FunctionFacts, loop: int, text: Call) -> bool:
    """Whether the text is put into a list in the loop, itself or through a local."""
    names = {
        event.target for event in function.events if isinstance(event, Bind) and event.value is text
    }
    for event in function.inside(function.regions[loop]):
        if isinstance(event, Call) and event.args and _adds(event, text, names):
            return True
    return False


def _adds(event: Call, text: Call, names: set[str]) -> bool:
    is_collector = isinstance(event.func, Attribute) and event.func.name in _COLLECTS
    return is_collector and _is_one(event.args[-1], text, names)


def _is_one(expr: Expr, text: Call, names: set[str]) -> bool:
    return expr is text or (isinstance(expr, Name) and expr.name in names)


def _listed(names: list[str], mark: str = "") -> str:
    return ", ".join(f"`{mark}{name}`" for name in names)


RULE = Rule(
    code="DBA108",
    name="bind-mismatch",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    message="{says}",
    why=(
        "A name without a value raises when the statement runs; a name that only `bindparams()`"
        " knows raises when it is built; a parameter that the text does not name is dropped"
        " silently, and with it the condition somebody believed in. Two fragments of one statement"
        " that bind the same name share one value: one of two conditions is lost."
    ),
    instead="Give every `:name` of the text exactly one value. Fragments made in a loop need"
    " names of their own, or `bindparam(name, value, unique=True)`.",
    checks=(OnFunction(check),),
    bad=(
        Example(
            "a name without a value, and a value without a name",
            """
            from sqlalchemy import text
            from sqlalchemy.orm import Session

            def find(session: Session, name, project):
                first = text("SELECT id FROM labels WHERE name = :name AND project = :project")
                session.execute(first, {"name": name})  # expect: DBA108
                second = text("SELECT id FROM labels WHERE name = :name")
                session.execute(second, {"name": name, "project": project})  # expect: DBA108
            """,
        ),
        Example(
            "bound under another name",
            """
            from sqlalchemy import text

            def recent(query, since):
                condition = text("created_at > :since").bindparams(start=since)  # expect: DBA108
                return query.filter(condition)
            """,
        ),
        Example(
            "one name for all turns of a loop",
            """
            from sqlalchemy import and_, select, text

            def find(session, wanted):
                conditions = []
                for key, value in wanted.items():
                    condition = text("value(data, :key) = :wanted")  # expect: DBA108
                    bound = condition.bindparams(key=key, wanted=value)
                    conditions.append(bound)
                return session.execute(select(text("id")).where(and_(*conditions)))
            """,
        ),
        Example(
            "an argument that text() lost",
            """
            from sqlalchemy import bindparam, text

            def part(query, number):
                number = bindparam("number", number)
                condition = text("mod(id, 4) = :number", bindparams=[number])  # expect: DBA108
                return query.filter(condition)
            """,
        ),
    ),
    good=(
        Example(
            "all names have values",
            """
            from sqlalchemy import text
            from sqlalchemy.orm import Session

            def find(session: Session, name, project):
                statement = text("SELECT id FROM labels WHERE name = :name AND project = :project")
                session.execute(statement.bindparams(name=name), {"project": project})
                session.execute(statement, dict(name=name, project=project))
            """,
        ),
        Example(
            "casts, escaped colons, times",
            r"""
            from sqlalchemy import text
            from sqlalchemy.orm import Session

            def now(session: Session):
                session.execute(text("SELECT data::jsonb FROM labels"))
                session.execute(text("SELECT id FROM labels WHERE name = 'a\\:b'"))
            """,
        ),
        Example(
            "parameters made elsewhere",
            """
            from sqlalchemy import text
            from sqlalchemy.orm import Session

            def find(session: Session, given, name):
                statement = text("SELECT id FROM labels WHERE name = :name")
                session.execute(statement, given)
                session.execute(statement, {**given})
                values = {}
                values["name"] = name
                session.execute(statement, values)
            """,
        ),
        Example(
            "a statement for each turn of the loop, a name for each turn",
            """
            from sqlalchemy import bindparam, text
            from sqlalchemy.orm import Session

            def find(session: Session, names):
                found, conditions = [], []
                for number, name in enumerate(names):
                    one = text("SELECT id FROM labels WHERE name = :name").bindparams(name=name)
                    found.append(session.execute(one).scalar())
                    key = f"name_{number}"
                    conditions.append(text(f"name = :{key}").bindparams(bindparam(key, name)))
                return found, conditions
            """,
        ),
        Example(
            "a text that something is added to",
            """
            from sqlalchemy import text
            from sqlalchemy.orm import Session

            def find(session: Session, name, project):
                sql = "SELECT id FROM labels WHERE name = :name"
                if project:
                    sql += " AND project = :project"
                session.execute(text(sql), {"name": name, "project": project})
            """,
        ),
    ),
    known_gaps=(
        "parameters that are not written as a dict in the function are not read",
        "texts handed to other functions and the placeholders of drivers are not looked at",
    ),
    sources=("SQLAlchemy: text(), TextClause.bindparams",),
    in_tests=True,
)
