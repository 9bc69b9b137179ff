"""The examples of rules as tests: the same for built-in rules and for those of third parties.

from auditor.examples import check_examples

def test_examples():
    assert check_examples(RULE) == ()
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from auditor.engine import running
from auditor.engine.knowing import knowledge_with
from auditor.rule import Example, LiveExample, OnFunction, OnModule, Rule
from auditor.source.facts import ModuleFacts
from auditor.source.parse import NotParsed, parse_module
from auditor.source.project import link

_FILE = re.compile(r"^# --- (?P<path>\S+\.py)\s*$", re.MULTILINE)
_EXPECT = re.compile(r"#\s*expect:\s*(?P<codes>[A-Z]+\d{3}(?:[ ,]+[A-Z]+\d{3})*)\s*$")


@dataclass(frozen=True, slots=True, order=True)
class Marked:
    """A line of an example."""

    path: str
    line: int


def check_examples(rule: Rule) -> tuple[str, ...]:
    """What is wrong with a rule's examples, one line each; nothing if all hold.

    In `bad`, exactly the marked lines must be reported, each as often as it is marked; in `good`,
    none. A live example must give exactly what it expects.
    """
    return tuple(_complaints(rule))


def _complaints(rule: Rule) -> Iterator[str]:
    for kind, examples in (("bad", rule.bad), ("good", rule.good)):
        if not examples:
            yield f"there is no {kind} example"
        for example in examples:
            title = f"{kind} example `{example.title}`"
            found = (
                _of_live(rule, example)
                if isinstance(example, LiveExample)
                else _of_source(rule, example, kind)
            )
            yield from (f"{title}: {complaint}" for complaint in found)


def files_of(example: Example) -> tuple[tuple[str, str], ...]:
    """Path and source of each file of an example."""
    text = textwrap.dedent(example.source).strip("\n") + "\n"
    marks = list(_FILE.finditer(text))
    if not marks:
        return (("example.py", text),)
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return tuple(
        (mark["path"], text[mark.end() + 1 : end]) for mark, end in zip(marks, ends, strict=True)
    )


def _of_source(rule: Rule, example: Example, kind: str) -> Iterator[str]:
    if not any(isinstance(check, (OnModule, OnFunction)) for check in rule.checks):
        yield "it is source, and the rule has no check of source"
        return
    files = files_of(example)
    want = Counter(mark for path, text in files for mark in _marks(rule.code, path, text))
    if bool(want) != (kind == "bad"):
        yield f"a {kind} example with {sum(want.values())} marks `# expect: {rule.code}`"
    try:
        modules = [_module(path, text) for path, text in files]
    except NotParsed as error:
        yield str(error)
        return
    knowledge, _ = knowledge_with()
    judged = running.over_project((rule,), link(modules, knowledge))
    got = Counter(Marked(f.span.path, f.span.line) for f in judged.findings)
    yield from (f"{problem.subject} {problem.message}" for problem in judged.problems)
    yield from _differences(want, got)


def _module(path: str, text: str) -> ModuleFacts:
    parts = PurePosixPath(path).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package else parts)
    return parse_module(path, name, text.encode(), is_package=is_package)


def _marks(code: str, path: str, text: str) -> Iterator[Marked]:
    for number, line in enumerate(text.split("\n"), 1):
        mark = _EXPECT.search(line)
        for marked in re.split("[ ,]+", mark["codes"]) if mark else ():
            if marked == code:
                yield Marked(path, number)


def _differences(want: Counter[Marked], got: Counter[Marked]) -> Iterator[str]:
    for mark in sorted({*want, *got}):
        if want[mark] != got[mark]:
            yield (
                f"{mark.path}:{mark.line}: reported {_times(got[mark])},"
                f" expected {_times(want[mark])}"
            )


def _times(number: int) -> str:
    return {0: "not at all", 1: "once"}.get(number, f"{number} times")


def _of_live(rule: Rule, example: LiveExample) -> Iterator[str]:
    from sqlalchemy import create_engine  # lazy: only runtime rules need it

    from auditor.runtime.recorder import record  # lazy: imports SQLAlchemy

    engine = create_engine("sqlite://")
    try:
        with record(engine) as recording:
            example.run(engine)
    finally:
        engine.dispose()
    judged = running.over_tape((rule,), recording.tape)
    yield from (f"{problem.subject} {problem.message}" for problem in judged.problems)
    got = tuple(sorted(f"{f.function}: {f.message}" for f in judged.findings))
    if got != tuple(sorted(example.expect)):
        yield f"reported {list(got)}, expected {sorted(example.expect)}"
