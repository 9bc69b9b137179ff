"""Objects that hand on to a module named by a string, and classes that a registry puts into a
package."""

from __future__ import annotations

from auditor import knowledge
from auditor.model.knowledge import merged
from auditor.source.facts import Call
from auditor.source.parse import parse_module
from auditor.source.project import Project, link
from auditor_openstack import knowledge as openstack

_KNOWN = merged((*knowledge.TABLES, *openstack.TABLES))
_BACK_END = "def owner_get(context, key):\n    return context.session.query(Owner).get(key)\n"


def _project(**sources: str) -> Project:
    packages = {name.rpartition("__")[0] for name in sources}
    return link(
        [
            parse_module(
                f"{name.replace('__', '/')}.py",
                name.replace("__", "."),
                source.encode(),
                is_package=name in packages,
            )
            for name, source in sources.items()
        ],
        _KNOWN,
    )


def _runs(project: Project, module: str) -> list[str]:
    """The functions that the calls of a module's functions run."""
    return [
        target.function.dotted
        for found, function in project.functions()
        if found.name == module
        for position, event in enumerate(function.events)
        if isinstance(event, Call)
        for target in project.targets(function, position, event)
        if target.function is not None
    ]


def _layer(made: str) -> str:
    return f"{made}\n\ndef owner_get(context, key):\n    return IMPL.owner_get(context, key)\n"


def test_a_back_end_in_a_mapping_is_followed() -> None:
    made = (
        "from oslo_db import api\n_MAPPING = {'sqlalchemy': 'app.backend'}\n"
        "IMPL = api.DBAPI.from_config(CONF, backend_mapping=_MAPPING, lazy=True)"
    )
    project = _project(app="", app__backend=_BACK_END, app__db=_layer(made))
    assert _runs(project, "app.db") == ["app.backend.owner_get"]


def test_a_lazily_plugged_back_end_is_followed() -> None:
    made = (
        "from app import utils\nIMPL = utils.LazyPluggable('db_backend', sqlalchemy='app.backend')"
    )
    project = _project(app="", app__backend=_BACK_END, app__db=_layer(made))
    assert _runs(project, "app.db") == ["app.backend.owner_get"]


def test_what_get_backend_makes_stands_for_the_module() -> None:
    made = (
        "from oslo_db import api\n"
        "IMPL = api.DBAPI.from_config(CONF, backend_mapping={'sqlalchemy': 'app.backend'})"
    )
    backend = (
        "def get_backend():\n    return Connection()\n\n"
        "class Connection:\n    def owner_get(self, context, key):\n        return key\n"
    )
    project = _project(app="", app__backend=backend, app__db=_layer(made))
    assert _runs(project, "app.db") == ["app.backend.Connection.owner_get"]


def test_two_back_ends_are_not_chosen_between() -> None:
    made = (
        "from oslo_db import api\nIMPL = api.DBAPI.from_config("
        "CONF, backend_mapping={'sqlalchemy': 'app.backend', 'other': 'app.other'})"
    )
    project = _project(app="", app__backend=_BACK_END, app__other=_BACK_END, app__db=_layer(made))
    assert _runs(project, "app.db") == []


def test_a_class_that_only_a_module_below_defines_is_the_packages() -> None:
    user = "from app import objects\n\ndef f(key):\n    return objects.Owner.find(key)\n"
    owner = "class Owner:\n    @classmethod\n    def find(cls, key):\n        return key\n"
    project = _project(app="", app__objects="", app__objects__owner=owner, app__user=user)
    assert _runs(project, "app.user") == ["app.objects.owner.Owner.find"]


def test_of_two_classes_of_a_name_none_is_the_packages() -> None:
    user = "from app import objects\n\ndef f(key):\n    return objects.Owner.find(key)\n"
    owner = "class Owner:\n    @classmethod\n    def find(cls, key):\n        return key\n"
    project = _project(
        app="", app__objects="", app__objects__a=owner, app__objects__b=owner, app__user=user
    )
    assert _runs(project, "app.user") == []
