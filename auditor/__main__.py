"""`python -m auditor` is the `auditor` program.

Python puts the working directory first on the path for `-m`. A module of the user there, such as
`click.py`, must not take the place of what the program imports, so that entry is taken out: the
path is then that of the `auditor` script.
"""

from __future__ import annotations

import os
import sys


def _without_working_directory(path: list[str], package: str) -> list[str]:
    """The import path as it would be without `-m`; unchanged if `auditor` itself lies there."""
    is_not_there = sys.flags.isolated or getattr(sys.flags, "safe_path", False)  # 3.11
    if is_not_there or os.path.dirname(package) == path[0]:
        return path
    return path[1:]


if __name__ == "__main__":
    sys.path[:] = _without_working_directory(sys.path, os.path.dirname(__file__))
    from auditor.cli.main import main  # lazy: the path is right only now

    main()
