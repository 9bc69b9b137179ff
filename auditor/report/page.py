"""The page of a rule as Markdown: the same text on the terminal and in the documentation."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator

from auditor.rule import Example, LiveExample, Rule

_EXPECT = re.compile(r"#\s*expect:\s*(?P<codes>.*)")


def page_of(rule: Rule) -> str:
    """What the rule says, why, bad and good code, what it misses, and where it was learnt."""
    return "\n".join([*_head(rule), *_examples(rule), *_tail(rule)]) + "\n"


def _head(rule: Rule) -> Iterator[str]:
    yield f"# {rule.code} {rule.name}"
    yield ""
    yield f"Severity {rule.severity.value}, confidence {rule.confidence.value}, since {rule.since}."
    yield ""
    if rule.in_tests:
        yield "With `--tests`, tests are judged by it too."
        yield ""
    yield f"> {rule.message}"
    yield ""
    yield "## Why it is wrong"
    yield ""
    yield textwrap.fill(rule.why, 100)
    yield ""
    yield "## Instead"
    yield ""
    yield textwrap.fill(rule.instead, 100)
    yield ""


def _examples(rule: Rule) -> Iterator[str]:
    for heading, examples in (("Reported", rule.bad), ("Not reported", rule.good)):
        if examples:
            yield f"## {heading}"
            yield ""
        for example in examples:
            yield f"{example.title[:1].upper()}{example.title[1:]}:"
            yield ""
            yield "```python"
            yield source_of(example).rstrip()
            yield "```"
            yield ""
            if isinstance(example, LiveExample) and example.expect:
                yield from (f"- {line}" for line in example.expect)
                yield ""


def source_of(example: Example | LiveExample) -> str:
    """The program of an example as the page shows it: marks become plain comments."""
    return _EXPECT.sub(r"# <- \g<codes>", textwrap.dedent(example.source).strip("\n")) + "\n"


def _tail(rule: Rule) -> Iterator[str]:
    yield from _listed("What it does not see", rule.known_gaps)
    yield from _listed("Sources", rule.sources)


def _listed(heading: str, items: Iterable[str]) -> Iterator[str]:
    found = [textwrap.fill(item, 98, subsequent_indent="  ") for item in items]
    if found:
        yield f"## {heading}"
        yield ""
        yield from (f"- {item}" for item in found)
        yield ""
