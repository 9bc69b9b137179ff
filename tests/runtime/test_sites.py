from __future__ import annotations

import os
from pathlib import Path

import execnet

from auditor.runtime.sites import is_users_file, site_of


def test_what_starts_a_worker_of_xdist_is_no_part_of_a_call_path() -> None:
    gateway = compile("def serve(): return 1", execnet.gateway_base.__file__, "exec")
    own = compile("1", __file__, "exec")
    program = compile("1", "<string>", "exec")
    places = [(own, 0), (gateway, 0), (program, 0), (program, 0)]
    assert [frame.path for frame in site_of(places, os.path.dirname(__file__)).stack] == [
        "test_sites.py"
    ]
    assert [frame.path for frame in site_of(places[2:], ".").stack] == ["<string>"]


def test_a_package_of_a_checkout_is_the_users_whatever_its_folders_are_called(
    tmp_path: Path,
) -> None:
    def file_in(folder: str) -> str:
        place = tmp_path
        for name in folder.split("/"):
            place = place / name
            place.mkdir(exist_ok=True)
            (place / "__init__.py").touch()
        return str(place / "api.py")

    assert is_users_file(file_in("nova/db/sqlalchemy"))
    assert not is_users_file(file_in("sqlalchemy/orm"))
    assert not is_users_file(file_in("oslo_db/sqlalchemy"))


def test_a_file_that_cython_names_where_none_is_is_that_of_its_library() -> None:
    assert not is_users_file("lib/sqlalchemy/engine/_result_cy.py")
    assert is_users_file("lib/nova/db/api.py")
