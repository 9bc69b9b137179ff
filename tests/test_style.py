"""The part of docs/STYLE.md that no linter holds us to; ruff and mypy hold the rest."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
CODE = sorted(path for top in ("auditor", "plugins") for path in (ROOT / top).rglob("*.py"))
TEXT_KINDS = {".cfg", ".ini", ".json", ".md", ".py", ".toml", ".yaml"}
TEXTS = [
    *(path for path in sorted(ROOT.glob("*.*")) if path.suffix in TEXT_KINDS),
    *(
        path
        for top in (".ci", "auditor", "docs", "plugins", "releasenotes", "sample_schemas", "tests")
        for path in sorted((ROOT / top).rglob("*"))
        if path.suffix in TEXT_KINDS or path.name == "run"
    ),
]
LIMITS = {"lines": 59, "nesting": 3, "positional parameters": 5}
EMPTY_NAMES = {"base", "common", "helper", "helpers", "misc", "util", "utils"}
HOSTS = r"\b\w+\.pypi\.org|\bpythonhosted\b"
MACHINE = re.compile(r"(?<![\w.])/(?:home|opt(?!/homebrew)|root|work)/\w|" + HOSTS)
BLOCKS = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.Match)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@pytest.mark.parametrize(
    "path",
    [*CODE, *sorted(TESTS.rglob("*.py"))],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_a_file_keeps_to_the_style_page(path: Path) -> None:
    assert list(offences(path)) == []


def test_no_text_names_a_machine_or_a_registry_host() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in TEXTS
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if MACHINE.search(line)
    ]
    assert found == []


def test_each_offence_is_seen(tmp_path: Path) -> None:
    bad = tmp_path / "utils.py"
    bad.write_text(OFFENDING)
    assert list(offences(bad)) == [
        "1: the name does not say what the module holds",
        "2: dataclass `Loose` is not frozen with slots",
        "5: `deep` has 4 nesting, at most 3",
        "5: `deep` has 6 positional parameters, at most 5",
        "6: an import inside a function, and no comment says why",
    ]


OFFENDING = """@dataclass(frozen=True)
class Loose:
    kept: int

def deep(a, b, c, d, e, f, *, g):
    import json
    import ast  # lazy: only this branch needs it
    for a in b:
        if a:
            with c:
                while d:
                    pass
        elif b:
            pass
"""


def offences(path: Path) -> Iterator[str]:
    lines = path.read_text().splitlines()
    if len(lines) > 400:
        yield f"1: the file has {len(lines)} lines"
    if path.stem in EMPTY_NAMES:
        yield "1: the name does not say what the module holds"
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, FUNCTIONS):
            yield from function_offences(node)
            yield from () if TESTS in path.parents else unexplained_imports(node, lines)
        if isinstance(node, ast.ClassDef):
            yield from loose_dataclasses(node)


def function_offences(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    arguments = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
    found = {
        "lines": (node.end_lineno or node.lineno) - node.lineno + 1,
        "nesting": deepest_block(node),
        "positional parameters": len([a for a in arguments if a not in {"self", "cls"}]),
    }
    for what, count in found.items():
        if count > LIMITS[what]:
            yield f"{node.lineno}: `{node.name}` has {count} {what}, at most {LIMITS[what]}"


def deepest_block(node: ast.AST) -> int:
    """How many blocks stand inside each other below a node; `elif` is no step deeper."""
    inner = [child for child in ast.iter_child_nodes(node) if not isinstance(child, FUNCTIONS)]
    return max((deepest_block(child) + is_step(node, child) for child in inner), default=0)


def is_step(parent: ast.AST, child: ast.AST) -> bool:
    is_elif = isinstance(parent, ast.If) and parent.orelse == [child] and isinstance(child, ast.If)
    return isinstance(child, BLOCKS) and not is_elif


def unexplained_imports(node: ast.AST, lines: list[str]) -> Iterator[str]:
    """A comment stands on the import, on the run of imports it belongs to, or just above it."""
    for found in ast.walk(node):
        if isinstance(found, ast.Import | ast.ImportFrom):
            above = found.lineno - 1
            while "#" not in lines[above] and lines[above].lstrip().startswith(("import", "from")):
                above -= 1
            if "#" not in lines[above]:
                yield f"{found.lineno}: an import inside a function, and no comment says why"


def loose_dataclasses(node: ast.ClassDef) -> Iterator[str]:
    for mark in map(ast.unparse, node.decorator_list):
        if re.search(r"\bdataclass\b", mark) and not (
            "frozen=True" in mark and "slots=True" in mark
        ):
            yield f"{node.lineno}: dataclass `{node.name}` is not frozen with slots"
