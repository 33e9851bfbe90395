"""Chapters and scenarios as text: the list, a task as the learner reads it, hints and solutions.

Called by `labs.commands.scenarios`.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from labs.attempts.diagnosis import options
from labs.course.models import Course, Fix, FixStep, Scenario
from labs.render.table import table
from labs.render.terminal import Terminal, clean, duration

if TYPE_CHECKING:
    from labs.attempts.diagnosis import Diagnosed
    from labs.attempts.service import Attempt, Progress


def listing(
    terminal: Terminal,
    course: Course,
    progress: Mapping[str, Progress],
    running: set[str],
    drafts: Collection[str] = (),
) -> str:
    """Return all scenarios by chapter, with what the learner has done; `drafts` are those that are not proved."""
    lines = []
    for chapter in course.chapters:
        lines.append(
            terminal.paint(f"{chapter.number} {chapter.title}", "bold") + f"  ({chapter.weight} % of the exam)"
        )
        rows = [
            _row(s, "draft" if s.id in drafts and s.id not in running else _state(s.id, progress, running))
            for s in chapter.scenarios
        ]
        if rows:
            head = ["scenario", "lesson", "kind", "target", "state"]
            lines.append(table(terminal, head, rows, right=(3,), give=0, indent="  "))
        else:
            lines.append("  no scenario yet")
        lines.append("")
    if drafts:
        lines.append("A draft is not proved as it is now: `labs prove`, or start it with --drafts.")
    return "\n".join(lines).rstrip()


def _row(scenario: Scenario, state: str) -> list[str]:
    file = scenario.file
    return [scenario.id, file.lesson, file.kind.value, f"{file.target_minutes} min", state]


def _state(scenario: str, progress: Mapping[str, Progress], running: set[str]) -> str:
    if scenario in running:
        return "… running"
    done = progress.get(scenario)
    if done is None or not done.attempts:
        return "· new"
    if not done.solved:
        return "✗ tried"
    best = f", best {duration(done.best_seconds)}" if done.best_seconds is not None else ""
    return f"✓ solved{best}"


def task(terminal: Terminal, scenario: Scenario) -> str:
    """Return the task sheet: situation, task, checks, guards."""
    file = scenario.file
    facts = f"lesson {file.lesson} · {file.kind.value} · {file.target_minutes} min · weight {file.weight}"
    lines = [
        terminal.rule(clean(file.title)),
        terminal.paint(f"{scenario.id} · {facts} · namespace {', '.join(file.namespaces)}", "dim"),
        "",
        terminal.paint("Situation", "bold"),
        terminal.prose(file.situation),
        "",
        terminal.paint("Task", "bold"),
        terminal.prose(file.task),
        "",
        terminal.paint("Checks", "bold"),
    ]
    for check in file.checks:
        points = f"{check.points} point{'s' if check.points > 1 else ''}"
        lines.append(terminal.block(f"{check.about} ({points})", first="- ", indent="  "))
    lines += _questions(terminal, scenario)
    guards = [terminal.block(guard.why, first="- ", indent="  ") for guard in file.guards if guard.why]
    if guards:
        lines += ["", terminal.paint("Guards (break one and the task counts zero)", "bold"), *guards]
    return "\n".join(lines)


def _questions(terminal: Terminal, scenario: Scenario) -> list[str]:
    """Return what a diagnose scenario asks beside its checks, and how it is answered."""
    asked = scenario.file.diagnosis
    if asked is None:
        return []
    worth = asked.points
    parts = [f"component ({worth.component})", f"cause ({worth.cause})"]
    parts += [f"evidence ({worth.evidence})"] if asked.evidences else []
    lines = ["", terminal.paint("Diagnosis", "bold"), f"Points: {', '.join(parts)}. The cause is one of:"]
    for number, option in enumerate(options(scenario), 1):
        lines.append(terminal.block(f"{option.id}: {option.text}", first=f"{number}. ", indent="   "))
    lines.append(f"Answer with: {terminal.paint(f'labs scenarios answer {scenario.id}', 'cyan')}")
    return lines


def diagnosis(terminal: Terminal, found: Diagnosed) -> str:
    """Return how a diagnosis stands: each part right, wrong or open, and why as far as that gives nothing away."""
    marks = {True: ("✓", "right", "green"), False: ("✗", "wrong", "red"), None: ("·", "open", "dim")}
    lines = []
    for part in found.parts:
        sign, word, color = marks[part.right]
        head = f"{terminal.paint(f'{sign} {word:6}', color)} {part.points}/{part.possible}  {part.id:10} "
        lines.append(terminal.block(part.answered or "not answered yet", first=head, indent=" " * 25))
        if part.reason:
            lines.append(terminal.block(part.reason, first=" " * 25, indent=" " * 25))
    detected = f", detected after {duration(found.time_to_detect)}" if found.time_to_detect is not None else ""
    lines.append(f"{found.points} of {found.possible} points{detected}")
    return "\n".join(lines)


def started(terminal: Terminal, attempt: Attempt, kubeconfig: str) -> str:
    """Return what to do next once a task is ready."""
    name = attempt.scenario
    pairs = [
        (f"labs shell {name}", "a shell with kubectl set up for this cluster"),
        (f"labs scenarios check {name}", "grade what you did"),
        (f"labs scenarios hint {name}", "the next hint"),
        (f"labs scenarios reset {name}", "start over"),
    ]
    width = max(len(command) for command, _ in pairs)
    lines = [f"The task is ready. Files: {attempt.workspace}", f"kubeconfig: {kubeconfig}", ""]
    lines += [f"  {terminal.paint(command.ljust(width), 'cyan')}  {what}" for command, what in pairs]
    return "\n".join(lines)


def fix(terminal: Terminal, scenario: Scenario, answer: Fix) -> str:
    """Return a solution: each step with what a learner would type, and the debrief."""
    lines = [terminal.rule(f"Solution of {scenario.id}"), terminal.prose(answer.file.about), ""]
    for number, step in enumerate(answer.file.steps, 1):
        lines.append(terminal.block(step.say, first=f"{number}. ", indent="   "))
        lines.append(f"   {terminal.paint(typed(step), 'cyan')}")
    if answer.file.steps:
        lines += ["", terminal.paint(f"Files of the solution: {answer.folder}", "dim")]
    if scenario.debrief:
        lines += ["", terminal.paint("Debrief", "bold"), terminal.prose(scenario.debrief)]
    return "\n".join(lines)


def typed(step: FixStep) -> str:
    """Return what a learner would type for a step, on one line."""
    if step.answer:
        said = step.answer
        words = ["answer", "--component", said.component, "--cause", said.cause, "--evidence", said.evidence]
        return clean(shlex.join(words))
    if step.copy_:
        return f"cp -r {step.copy_.rstrip('/')}/. ."
    return clean(shlex.join(step.command))
