"""Asks a person for the parts of a diagnosis that were not given on the command line.

`labs.commands.scenarios` calls it on a terminal only. Whether an answer is right is the core's matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grader.text import clean
from labs.attempts import diagnosis
from labs.attempts.clues import Clues, shown
from labs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from labs.attempts.diagnosis import Given
    from labs.course.models import Scenario
    from labs.render.terminal import Terminal

MOST = 20

HOW = "Evidence: paste a line, type words to search for, or a number from the list; Enter leaves it as it was."


def typed(prompt: str) -> str:
    """Return a line from the terminal; Ctrl-D is an empty one."""
    try:
        return input(prompt)
    except EOFError:
        return ""


def ask(out: Terminal, scenario: Scenario, given: Given, clues: Clues, *, read: Callable[[str], str] = typed) -> Given:
    """Return the answer, completed by what is typed; an empty line leaves a part as it was.

    Args:
        out: Where questions go.
        scenario: The task.
        given: What the command line had.
        clues: What there is to choose from.
        read: Reads a line after a prompt.
    """
    component, cause, evidence = given.component, given.cause, given.evidence
    if component is None:
        names = clues.names()
        out.write(out.block(", ".join(map(clean, names)), first="Objects: ", indent="  "))
        component = read("Component at fault (Kind/name): ").strip() or None
    if cause is None:
        for number, option in enumerate(diagnosis.options(scenario), 1):
            out.write(out.block(option.text, first=f"{number}. ", indent="   "))
        cause = _cause(scenario, out, read)
    if evidence is None and diagnosis.asked(scenario).evidences:
        evidence = _evidence(out, clues, read)
    return diagnosis.Given(component, cause, evidence)


def _cause(scenario: Scenario, out: Terminal, read: Callable[[str], str]) -> str | None:
    while True:
        said = read("Cause (number): ").strip()
        if not said:
            return None
        try:
            return diagnosis.pick(scenario, said).id
        except UsageError as error:
            out.write(f"{error.message}; {error.hint}")


def _evidence(out: Terminal, clues: Clues, read: Callable[[str], str]) -> str | None:
    out.write(out.block(HOW, indent="  "))
    listed = clues.lines[:0]
    while True:
        said = read("Evidence: ").strip()
        if not said:
            return None
        if said.isdigit() and 1 <= int(said) <= len(listed):
            return listed[int(said) - 1].text
        found = clues.search(said)
        if len(found) <= 1:
            return said
        listed = found[:MOST]
        for number, line in enumerate(listed, 1):
            out.write(out.block(shown(line), first=f"{number:>2}. ", indent="    "))
        if len(found) > MOST:
            out.write(f"    … and {len(found) - MOST} more; more words make it fewer")
