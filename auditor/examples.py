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
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from auditor.engine import running
from auditor.engine.knowing import knowledge_with
from auditor.engine.recorded_source import recorded_project
from auditor.engine.scanning import NO_CACHE
from auditor.model.errors import AuditorError
from auditor.model.settings import Settings
from auditor.rule import Example, LiveExample, OnFunction, OnLaws, OnModule, OnTape, Rule
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
    none. A live example is run under the recorder, and what is judged is its tape.
    """
    return tuple(_complaints(rule))


def _complaints(rule: Rule) -> Iterator[str]:
    for kind, examples in (("bad", rule.bad), ("good", rule.good)):
        if not examples:
            yield f"there is no {kind} example"
        for example in examples:
            title = f"{kind} example `{example.title}`"
            yield from (f"{title}: {complaint}" for complaint in _of_one(rule, example, kind))


def _of_one(rule: Rule, example: Example | LiveExample, kind: str) -> Iterator[str]:
    if isinstance(example, LiveExample):
        return _of_live(rule, example, kind)
    if any(isinstance(check, (OnModule, OnFunction)) for check in rule.checks):
        return _of_source(rule, example, kind)
    return _of_scenarios(rule, example, kind)


def files_of(example: Example | LiveExample) -> tuple[tuple[str, str], ...]:
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
    files = files_of(example)
    want = _wanted(rule, files)
    yield from _of_marks(rule, kind, want)
    try:
        modules = [_module(path, text) for path, text in files]
    except NotParsed as error:
        yield str(error)
        return
    knowledge, _ = knowledge_with()
    yield from _compared(want, running.over_project((rule,), link(modules, knowledge)))


def _of_scenarios(rule: Rule, example: Example, kind: str) -> Iterator[str]:
    """A rule of laws: its example is a file of scenarios, profiled on SQLite."""
    from auditor.growth.load import load_scenarios  # lazy: only rules of laws need it
    from auditor.growth.run import profile  # lazy: imports SQLAlchemy

    if not any(isinstance(check, OnLaws) for check in rule.checks):
        yield "it is source, and the rule has no check of source or of laws"
        return
    files = files_of(example)
    want = _wanted(rule, files)
    yield from _of_marks(rule, kind, want)
    with TemporaryDirectory() as folder:
        for path, text in files:
            Path(folder, path).write_text(text, encoding="utf-8")
        try:
            laws = profile(*load_scenarios((str(Path(folder, files[0][0])),)).scenarios)
        except AuditorError as error:
            yield str(error)
            return
    yield from _compared(want, running.over_laws((rule,), laws))


def _wanted(rule: Rule, files: tuple[tuple[str, str], ...]) -> Counter[Marked]:
    return Counter(mark for path, text in files for mark in _marks(rule.code, path, text))


def _of_marks(rule: Rule, kind: str, want: Counter[Marked]) -> Iterator[str]:
    if bool(want) != (kind == "bad"):
        yield f"a {kind} example with {sum(want.values())} marks `# expect: {rule.code}`"


def _compared(want: Counter[Marked], judged: running.Judged) -> Iterator[str]:
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


def _of_live(rule: Rule, example: LiveExample, kind: str) -> Iterator[str]:
    if not any(isinstance(check, OnTape) for check in rule.checks):
        yield "it is a live program, and the rule has no check of tapes"
        return
    files = files_of(example)
    want = _wanted(rule, files)
    yield from _of_marks(rule, kind, want)
    try:
        judged = _rehearsed(rule, files)
    except Exception as error:  # noqa: BLE001 - isolation point: an example runs any code
        yield f"it raised `{type(error).__name__}: {error}`"
        return
    yield from _compared(want, judged)
    got = sorted(f"{f.function}: {f.message}" for f in judged.findings)
    if example.expect and got != sorted(example.expect):
        yield f"reported {got}, expected {sorted(example.expect)}"


def _rehearsed(rule: Rule, files: tuple[tuple[str, str], ...]) -> running.Judged:
    """What a rule says of the recording of a program."""
    from auditor.runtime.rehearsal import rehearsed  # lazy: imports SQLAlchemy

    settings = Settings(cache_dir=NO_CACHE)
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        tape = rehearsed(files, Path(folder))
        project, problems = recorded_project(tape, settings, Path(folder))
        judged = running.over_tape((rule,), tape, project)
    return running.merged(running.Judged(problems=problems), judged)
