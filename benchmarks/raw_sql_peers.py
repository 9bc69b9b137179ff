"""Compares `auditor` with bandit (B608) and ruff (S608) on labelled snippets of raw SQL.

    python benchmarks/raw_sql_peers.py

The snippets are the examples of DBA101 and DBA102 and the ones below, all written for this project;
an offence counts as found when something is reported in its file. Tools that are not installed are
left out. The same knowledge wrote the rules and the snippets: read the table as a regression test,
and the peers' columns as what their patterns can see.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from auditor.examples import files_of
from auditor.rule import Example
from auditor.rules.raw_sql import interpolated_identifier, interpolated_value

COMMANDS: Mapping[str, Sequence[str]] = {
    "auditor": ("auditor", "scan", "--select", "DBA101,DBA102", "--quiet", "--no-cache"),
    "bandit": ("bandit", "-q", "-t", "B608", "-r"),
    "ruff": ("ruff", "check", "--isolated", "--no-cache", "--select", "S608"),
}
MORE_BAD = {
    "format kept in a local": """
        def find(connection, name):
            template = "SELECT id FROM users WHERE name = '{}'"
            return connection.execute(template.format(name))
    """,
    "joined conditions": """
        from sqlalchemy import text
        def find(session, wanted):
            parts = []
            for key, value in wanted.items():
                parts.append("status = '" + value + "'")
            return session.execute(text("SELECT id FROM users WHERE " + " AND ".join(parts)))
    """,
    "a literal column": """
        from sqlalchemy import literal_column, select
        def ranked(session, column):
            return session.execute(select(literal_column("max(" + column + ")")))
    """,
}
MORE_GOOD = {
    "prose": """
        import logging
        def tell(name):
            logging.warning("could not select %s from the update list" % name)
            raise ValueError(f"delete from {name} failed")
    """,
    "constants joined": """
        from sqlalchemy import text
        COLUMNS = ("id", "name")
        def find(session):
            return session.execute(text("SELECT " + ", ".join(COLUMNS) + " FROM users"))
    """,
    "a shell command": """
        from app import utils
        def show(name):
            utils.execute(f"select-disk {name} from pool where free")
    """,
    "a limit that is a number": """
        from sqlalchemy import text
        def first(session, count):
            return session.execute(text(f"SELECT id FROM users LIMIT {int(count)}"))
    """,
}


def snippets() -> Iterator[tuple[str, bool, tuple[tuple[str, str], ...]]]:
    """Name, whether it offends, and its files."""
    for rule in (interpolated_value.RULE, interpolated_identifier.RULE):
        for examples, offends in ((rule.bad, True), (rule.good, False)):
            for example in examples:
                if isinstance(example, Example):
                    yield f"{rule.code} {example.title}", offends, files_of(example)
    for more, offends in ((MORE_BAD, True), (MORE_GOOD, False)):
        for name, source in more.items():
            yield name, offends, (("example.py", textwrap.dedent(source).lstrip()),)


def reports(command: Sequence[str], folder: Path) -> bool:
    """Whether a tool reports anything in a folder; it exits with 1 then."""
    done = subprocess.run(
        (sys.executable, "-m", *command, "."), cwd=folder, capture_output=True, check=False
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"{command[0]} failed: {done.stderr.decode(errors='replace')}")
    return done.returncode == 1


def main() -> None:
    """Prints the table."""
    tools = {name: command for name, command in COMMANDS.items() if find_spec(name)}
    found = dict.fromkeys(tools, 0)
    false = dict.fromkeys(tools, 0)
    cases = tuple(snippets())
    for _, offends, files in cases:
        with tempfile.TemporaryDirectory() as made:
            for path, source in files:
                file = Path(made, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(source)
            for name, command in tools.items():
                (found if offends else false)[name] += reports(command, Path(made))
    bad = sum(offends for _, offends, _ in cases)
    print(f"{'tool':10}{'found of ' + str(bad):>14}{'false of ' + str(len(cases) - bad):>14}")
    for name in tools:
        print(f"{name:10}{found[name]:>14}{false[name]:>14}")


if __name__ == "__main__":
    main()
