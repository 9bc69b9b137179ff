"""What the sample's defects do, and that the repaired twin does the work without them."""

from __future__ import annotations

import inspect
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from oslo_db import exception as db_exc
from sqlalchemy import exc as sa_exc

Module = Callable[[str], Any]


def dump(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return "\n".join(connection.iterdump())


def by_id(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: str(row["id"]))


def names_of_labels(synced: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {
        router["name"]: [label["name"] for label in router["labels"]]
        for router in sorted(synced, key=lambda router: str(router["name"]))
    }


def public_functions(module: Any) -> dict[str, inspect.Signature]:
    """Names and signatures without the result, which a repair may make narrower."""
    found = inspect.getmembers(module, inspect.isfunction)
    return {
        name: inspect.signature(function)
        for name, function in found
        if not name.startswith("_") and function.__module__ == module.__name__
    }


def test_populate_gives_the_same_bytes_twice(module: Module, tmp_path: Path) -> None:
    facade, populate = module("facade"), module("populate")
    for name in ("first.db", "second.db"):
        populate.fill(facade.bind(f"sqlite:///{tmp_path / name}"), labels=3, routers=2, rules=2)
    assert dump(tmp_path / "first.db") == dump(tmp_path / "second.db")


def test_populate_gives_the_sizes_asked_for(module: Module, service: Any) -> None:
    module("populate").fill(service, labels=3, routers=2, rules=4)
    models = module("models")
    with module("facade").READER.using(service) as session:
        counts = {
            model.__tablename__: session.query(model).count()
            for model in (
                models.MeteringLabel,
                models.MeteringLabelRule,
                models.Router,
                models.RouterExtraAttributes,
                models.RouterPort,
                models.RouterRoute,
            )
        }
        up = session.query(models.Router).filter_by(admin_state_up=True).count()
    assert (counts, up) == (
        {
            "meteringlabels": 4,
            "meteringlabelrules": 16,
            "routers": 9,
            "router_extra_attributes": 9,
            "routerports": 9,
            "routerroutes": 9,
        },
        6,
    )


def test_populate_with_no_sizes_leaves_the_shared_label_alone(module: Module, service: Any) -> None:
    module("populate").fill(service, labels=0, routers=0, rules=0)
    assert module("repaired").count_labels(service) == 1
    assert module("repaired").get_sync_data(service) == []


def test_the_repaired_twin_has_the_same_functions(module: Module) -> None:
    assert public_functions(module("repaired")) == public_functions(module("sync"))


def test_with_one_project_both_twins_sync_the_same(module: Module, service: Any) -> None:
    module("populate").fill(service, labels=1, routers=3, rules=2)
    bad = module("sync").get_sync_data(service)
    assert by_id(bad) == by_id(module("repaired").get_sync_data(service))
    assert names_of_labels(bad) == {
        f"router-0000-{router:04}": ["label-0000", "shared-by-the-operator"] for router in range(3)
    }


def test_a_shared_label_after_a_private_one_sees_stale_routers(
    module: Module, service: Any
) -> None:
    module("populate").fill(service, labels=2, routers=1, rules=1)
    assert names_of_labels(module("sync").get_sync_data(service)) == {
        "router-0000-0000": ["label-0000"],
        "router-0001-0000": ["label-0001", "shared-by-the-operator"],
    }
    assert names_of_labels(module("repaired").get_sync_data(service)) == {
        "router-0000-0000": ["label-0000", "shared-by-the-operator"],
        "router-0001-0000": ["label-0001", "shared-by-the-operator"],
    }


def test_the_rule_of_a_deleted_label_is_reported_only_by_the_twin(
    module: Module, service: Any
) -> None:
    rule = {"metering_label_id": "gone"}
    with pytest.raises(AttributeError):
        module("sync").get_sync_data_for_rule(service, rule)
    with pytest.raises(module("errors").LabelNotFound):
        module("repaired").get_sync_data_for_rule(service, rule)


def test_a_duplicate_label_is_lost_or_reported(module: Module, service: Any) -> None:
    populate = module("populate")
    populate.fill(service, labels=1, routers=1, rules=1)
    taken = (service, "new", populate.project_id(0), "label-0000")
    assert module("sync").create_label(*taken)["id"] == "new"
    assert "new" not in {label["id"] for label in module("repaired").iter_labels(service)}
    with pytest.raises(module("errors").LabelExists) as caught:
        module("repaired").create_label(*taken)
    assert isinstance(caught.value.__cause__, db_exc.DBDuplicateEntry)


def test_a_rule_without_label_is_reported_with_its_cause_only_by_the_twin(
    module: Module, service: Any
) -> None:
    causes = []
    for twin in ("sync", "repaired"):
        with pytest.raises(module("errors").LabelNotFound) as caught:
            module(twin).create_rule(service, "rule", "gone", "192.0.2.0/24")
        causes.append(type(caught.value.__cause__))
    assert causes == [type(None), db_exc.DBReferenceError]


def test_a_port_that_does_not_exist_escapes_the_dead_handler(module: Module, service: Any) -> None:
    with pytest.raises(db_exc.DBReferenceError):
        module("sync").attach_port(service, "no router", "no port")
    with pytest.raises(module("errors").PortNotAttached):
        module("repaired").attach_port(service, "no router", "no port")


def test_labels_are_deleted_with_their_rules(module: Module, service: Any) -> None:
    populate = module("populate")
    populate.fill(service, labels=2, routers=1, rules=1)
    module("sync").delete_label(service, populate.label_id(0))
    module("repaired").delete_label(service, populate.label_id(1))
    (left,) = module("repaired").iter_labels(service)
    assert (left["name"], len(left["rules"])) == ("shared-by-the-operator", 1)


def test_a_generator_under_the_reader_has_no_transaction(module: Module, service: Any) -> None:
    module("populate").fill(service, labels=1, routers=1, rules=1)
    with pytest.raises(db_exc.NoEngineContextEstablished):
        list(module("sync").iter_labels(service))
    names = [label["name"] for label in module("repaired").iter_labels(service)]
    assert sorted(names) == ["label-0000", "shared-by-the-operator"]


def test_a_value_that_is_sql_is_executed_only_by_the_defect(module: Module, service: Any) -> None:
    module("populate").fill(service, labels=1, routers=1, rules=1)
    hostile = "' OR '1' = '1"
    assert sorted(module("sync").label_names(service, hostile)) == [
        "label-0000",
        "shared-by-the-operator",
    ]
    assert module("repaired").label_names(service, hostile) == []


def test_a_plain_string_is_refused(module: Module, service: Any) -> None:
    refusal = getattr(sa_exc, "RemovedIn20Warning", sa_exc.ArgumentError)  # 1.4 only warns
    with pytest.raises(refusal):
        module("sync").count_labels(service)


def test_sync_data_can_be_sent(module: Module, service: Any) -> None:
    module("populate").fill(service, labels=1, routers=1, rules=1)
    synced = module("repaired").get_sync_data(service)
    assert json.loads(json.dumps(synced)) == synced
