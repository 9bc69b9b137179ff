"""Sites that a loop repeats, and how a finding tells of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from auditor.model.evidence import SourcePath, Step
from auditor.model.finding import Confidence
from auditor.model.knowledge import Effect
from auditor.rule import Hit
from auditor.rules.places import span_of
from auditor.rules.queries.bounded_turns import is_batched, is_piecewise, is_single
from auditor.rules.queries.loops import Loops, is_conditional, loops_of, repeating_loop
from auditor.source.facts import (
    Arithmetic,
    At,
    Compare,
    Expr,
    FunctionFacts,
    Logic,
    ModuleFacts,
    Not,
    Region,
    walk,
)
from auditor.source.project import Project
from auditor.source.sites import Site
from auditor.source.traits import LOOP, SITE

NEEDS = (LOOP | SITE,)
"""What a function has that repeats statements: a loop, or a place that `map` repeats."""


class Repeated(NamedTuple):
    """A site with an effect, and the loop that repeats it. `sometimes` tells that a test inside the
    loop decides about it."""

    site: Site
    effect: Effect
    loop: Region
    sometimes: bool


def repeated_sites(
    project: Project,
    module: ModuleFacts,
    function: FunctionFacts,
    effect_of: Callable[[Site], Effect | None],
) -> Iterator[Repeated]:
    """The sites for which `effect_of` names an effect, inside a loop that data makes long; one for
    each line."""
    seen: set[int] = set()
    loops = loops_of(project, module, function)
    for site in project.sites(function):
        effect = effect_of(site)
        if effect is None or site.at.line in seen:
            continue
        loop = _loop(loops, site)
        if loop is not None and not _is_short(function, site, loop):
            seen.add(site.at.line)
            yield Repeated(site, effect, loop, is_conditional(function, loop, site.region))


def _loop(loops: Loops, site: Site) -> Region | None:
    if site.per_element:
        return loops.function.regions[site.region]
    return repeating_loop(loops, region=site.region, position=site.position)


def _is_short(function: FunctionFacts, site: Site, loop: Region) -> bool:
    if is_batched(function, loop, site.region):
        return True
    return not site.per_element and (is_piecewise(function, loop) or is_single(function, loop))


def is_in_pieces(function: FunctionFacts, repeated: Repeated) -> bool:
    """Whether a test of a count decides: `if number % 500 == 0: session.commit()`."""
    for around in function.ancestors(repeated.site.region):
        if around.index == repeated.loop.index:
            return False
        if around.kind in {"if", "else"} and _counts(around.expr):
            return True
    return False


def _counts(test: Expr | None) -> bool:
    match test:
        case Not(operand=operand):
            return _counts(operand)
        case Logic(items=items):
            return any(_counts(item) for item in items)
        case Arithmetic(operator="%"):
            return True
        case Compare(left=left, operators=(operator,)):
            if operator in {">", ">=", "<", "<="}:
                return True
            return any(isinstance(e, Arithmetic) and e.operator == "%" for e in walk(left))
        case _:
            return False


def likeliest(project: Project, site: Site, effects: tuple[Effect, ...]) -> Effect | None:
    """The one of the effects that a site has, one that certainly happens before one that may."""
    done = project.effects.of_site(site)
    found = [e for e in effects if e in done]
    return min(found, key=lambda e: not done[e]) if found else None


def hit_of(
    project: Project, module: ModuleFacts, function: FunctionFacts, repeated: Repeated
) -> Hit:
    """The hit of a repeated site, with the way from the loop to where the effect is made; fields
    `chain`, `loop`, `turns` and `assumes`."""
    site, effect, loop, sometimes = repeated
    way = project.effects.way(site, effect)
    line = site.at.line if site.per_element else loop.at.line
    certain = project.effects.of_site(site)[effect]
    confidence = Confidence.MEDIUM
    if not certain:
        confidence = Confidence.LOW
    elif len(way) == 1 and site.sure and not sometimes:
        confidence = Confidence.HIGH
    fields = {
        "chain": _chain(project, way),
        "loop": line,
        "turns": "in some turns" if sometimes else "in every turn",
        "assumes": _assumption(way, certain=certain),
    }
    steps = [Step(span_of(module, At(line, 1, line, 1)), "the loop")]
    for step in way:
        scope = project.program.scopes[step.scope]
        steps.append(Step(span_of(scope.module, step.at), step.what))
    path = SourcePath(tuple(steps))
    span = span_of(module, site.at)
    return Hit(span, function.qualname, fields, (path,), confidence=confidence)


def _chain(project: Project, way: tuple[Site, ...]) -> str:
    """`load() -> session.execute() at app/db.py:12`; the place only when it is elsewhere."""
    words = " -> ".join(f"{s.what}()" if s.callee >= 0 else s.what for s in way)
    if len(way) == 1:
        return words
    last = way[-1]
    return f"{words} at {project.program.scopes[last.scope].module.path}:{last.at.line}"


def _assumption(way: tuple[Site, ...], *, certain: bool) -> str:
    if not certain:
        return "; on some paths only"
    if not all(step.sure for step in way):
        return "; what it is called on is known by its name or its use only"
    return ""
