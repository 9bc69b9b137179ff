from __future__ import annotations

import os

import execnet

from auditor.runtime.sites import site_of


def test_what_starts_a_worker_of_xdist_is_no_part_of_a_call_path() -> None:
    gateway = compile("def serve(): return 1", execnet.gateway_base.__file__, "exec")
    own = compile("1", __file__, "exec")
    program = compile("1", "<string>", "exec")
    places = [(own, 0), (gateway, 0), (program, 0), (program, 0)]
    assert [frame.path for frame in site_of(places, os.path.dirname(__file__)).stack] == [
        "test_sites.py"
    ]
    assert [frame.path for frame in site_of(places[2:], ".").stack] == ["<string>"]
