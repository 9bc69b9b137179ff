"""Whether one of Python's own errors was raised on purpose, or happened.

`raise KeyError(name)` in a handler is a report to the caller; `CODES[error.args[0]]` that fails is
a mistake. The instruction at which the error began tells them apart, not the line: the mistake may
stand inside of a `raise` statement.
"""

from __future__ import annotations

import dis

from auditor.runtime.sites import is_users_file

_NEVER_A_REPORT = (AssertionError, NotImplementedError, RecursionError)
"""Raised by an instruction like that of `raise`, or said of the program itself."""


def is_deliberate(error: BaseException) -> bool:
    """Whether the error began at a `raise` of the user's code."""
    innermost = error.__traceback__
    while innermost is not None and innermost.tb_next is not None:
        innermost = innermost.tb_next
    if innermost is None or isinstance(error, _NEVER_A_REPORT):
        return False
    code = innermost.tb_frame.f_code
    instruction = dis.opname[code.co_code[innermost.tb_lasti]]
    return instruction == "RAISE_VARARGS" and is_users_file(code.co_filename)


def parts_of(error: BaseException) -> tuple[BaseException, ...]:
    """The errors of a group, of groups in it too; the error itself if it is none."""
    inside = getattr(error, "exceptions", None)
    if not isinstance(inside, (tuple, list)) or not inside:
        return (error,)
    members = [one for one in inside if isinstance(one, BaseException)]
    return tuple(part for one in members for part in parts_of(one)) or (error,)
