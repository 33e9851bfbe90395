"""The solution with one step left out, each once: what passes without a step has a check too few. Pure.

`trials.py` tries them. Steps that only wait or look are no steps in this sense, and a step may say in `optional` why it
may be left out. A mutant that one of the wrong fixes repeats is not tried a second time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from labs.course.models import Fix, FixFile, FixStep, Scenario

WAIT_SECONDS = 15
"""How long a mutant may wait between two of its steps: without the step it would often wait in vain."""

HELM_SECONDS = 30
"""As much for a step of helm, which does something while it waits."""

_LOOKS = {
    "kubectl": frozenset(
        {"api-resources", "auth", "describe", "diff", "events", "explain", "get", "logs", "rollout", "top", "wait"}
    ),
    "helm": frozenset({"diff", "get", "history", "lint", "list", "show", "status", "template"}),
    "git": frozenset({"diff", "log", "show", "status"}),
}
_ROLLOUT_LOOKS = frozenset({"status", "history"})
_FILES = frozenset({"-f", "-k", "--filename", "--kustomize", "--patch-file", "--from-file"})
_TIMEOUT = re.compile(r"^--timeout=.*$")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A solution without one of its steps.

    Attributes:
        number: Which step is left out, as it stands in `fix.yaml`, from 1.
        left_out: That step.
        fix: The rest.
    """

    number: int
    left_out: FixStep
    fix: Fix


def only_looks(step: FixStep) -> bool:
    """Return whether a step changes nothing: it waits, or it reads."""
    if not step.command:
        return False
    words = _plain(step.command[1:])
    if not words or words[0] not in _LOOKS[step.command[0]]:
        return False
    return words[0] != "rollout" or (len(words) > 1 and words[1] in _ROLLOUT_LOOKS)


def mutants(scenario: Scenario) -> Iterator[Mutant]:
    """Yield the mutants of a scenario's solution; one with a single step has none, since without it nothing is done."""
    steps = scenario.solution.file.steps
    acts = [index for index, step in enumerate(steps) if not only_looks(step)]
    if len(acts) < 2:  # noqa: PLR2004 - as the docstring says
        return
    wrong = {_acts(fix) for fix in scenario.wrong}
    for index in acts:
        if steps[index].optional:
            continue
        rest = [_hurried(s) for i, s in enumerate(steps[: max(acts) + 1]) if i != index]
        while rest and only_looks(rest[-1]):
            rest.pop()  # the check waits by itself
        fix = Fix(
            id=f"without-step-{index + 1}",
            folder=scenario.solution.folder,
            file=FixFile(about=f"Without: {steps[index].say}", steps=tuple(rest)),
        )
        if _acts(fix) is None or _acts(fix) not in wrong:
            yield Mutant(index + 1, steps[index], fix)


def without_waits(fix: Fix) -> Fix:
    """Return a fix without the waits at its end: the check waits by itself, and only as long as things move."""
    steps = list(fix.file.steps)
    while len(steps) > 1 and only_looks(steps[-1]):
        steps.pop()
    return fix.with_steps(steps)


def answered(fix: Fix, solution: Fix) -> Fix:
    """Return a wrong fix with the solution's answer before it, where it gives none: its repair alone must fail."""
    given = [step for step in solution.file.steps if step.answer]
    if not given or any(step.answer for step in fix.file.steps):
        return fix
    return fix.with_steps((*given, *fix.file.steps))


def _hurried(step: FixStep) -> FixStep:
    """Return a step that may fail, and waits only a little: what comes before it may be missing."""
    if not step.command:
        return step.model_copy(update={"expect": "any"})
    program, *words = step.command
    seconds = HELM_SECONDS if program == "helm" else WAIT_SECONDS
    hurried = [_TIMEOUT.sub(f"--timeout={seconds}s", word) for word in words]
    for index, word in enumerate(hurried[:-1]):
        if word == "--timeout":
            hurried[index + 1] = f"{seconds}s"
    if only_looks(step) and _plain(words)[0] in {"wait", "rollout"} and hurried == words:
        hurried.append(f"--timeout={WAIT_SECONDS}s")
    return step.model_copy(update={program: tuple(hurried), "expect": "any"})


def _acts(fix: Fix) -> tuple[object, ...] | None:
    """Return what a fix does, to be compared; None where files decide it."""
    acts = [step for step in fix.file.steps if not only_looks(step)]
    if any(step.copy_ or _FILES & {word.partition("=")[0] for word in step.command} for step in acts):
        return None
    return tuple((step.command, step.answer) for step in acts)


def _plain(arguments: Sequence[str]) -> list[str]:
    """Return the words without the namespace before the verb."""
    words = list(arguments)
    while words and words[0].startswith("-"):
        alone = "=" in words[0]
        words = words[1:] if alone else words[2:]
    return words
