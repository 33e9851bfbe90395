"""`labs scenarios …`: what can be practised, and one task from its start to its end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labs.commands.run import BROKEN, command
from labs.commands.session import Session

if TYPE_CHECKING:
    from labs.course.models import Scenario

Id = Annotated[str, typer.Argument(metavar="ID", help="A scenario, as `labs scenarios list` names it.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    command(app, "list", example="labs scenarios list --json")(listing)
    command(app, "show", example="labs scenarios show first-pod")(show)
    command(app, "start", example="labs scenarios start first-pod")(start)
    command(app, "check", example="labs scenarios check first-pod")(check)
    command(app, "answer", example="labs scenarios answer half-the-requests-fail --component deploy/x --cause 2")(
        answer
    )
    command(app, "hint", example="labs scenarios hint first-pod")(hint)
    command(app, "solution", example="labs scenarios solution first-pod --apply")(solution)
    command(app, "reset", example="labs scenarios reset first-pod")(reset)
    command(app, "stop", example="labs scenarios stop first-pod")(stop)
    command(app, "schema", example="labs scenarios schema > scenario.schema.json")(schema)


def listing(session: Session) -> None:
    """List all scenarios by chapter, with what you have done."""
    from labs.prove.ledger import Ledger
    from labs.render.course import listing as text

    tasks = session.tasks(live=False)
    progress = tasks.progress()
    running = _running(session)
    drafts = Ledger().drafts(tasks.course.scenarios)
    data = [
        {**_row(s, progress.get(s.id), running=s.id in running), "draft": s.id in drafts}
        for s in tasks.course.scenarios
    ]
    session.show(data, text(session.out, tasks.course, progress, running, drafts))


def _running(session: Session) -> set[str]:
    """Return the tasks that run on the cluster; none where no cluster answers."""
    from labs.errors import LabsError

    try:
        return {attempt.scenario for attempt in session.tasks().running()}
    except LabsError:
        return set()


def _row(scenario: Scenario, progress: Any, *, running: bool) -> dict[str, Any]:
    file = scenario.file
    return {
        "id": file.id,
        "chapter": scenario.chapter,
        "lesson": file.lesson,
        "title": file.title,
        "kind": file.kind,
        "target_minutes": file.target_minutes,
        "weight": file.weight,
        "running": running,
        "progress": progress,
    }


def show(session: Session, scenario: Id) -> None:
    """Print a task sheet: situation, task, checks."""
    from labs.render.course import task

    found = session.tasks(live=False).scenario(scenario)
    data = {**_row(found, None, running=False), "situation": found.file.situation, "task": found.file.task}
    data["namespaces"] = found.file.namespaces
    data["checks"] = [{"id": c.id, "kind": c.kind, "points": c.points, "about": c.about} for c in found.file.checks]
    if found.file.diagnosis is not None:
        from labs.attempts.diagnosis import options

        worth = found.file.diagnosis.points
        data["diagnosis"] = {"options": options(found), "points": worth}
    session.show(data, task(session.out, found))


def start(
    session: Session,
    scenario: Id,
    *,
    drafts: Annotated[
        bool, typer.Option("--drafts", help="Also what is not proved as it is now (LABS_DRAFTS=1).")
    ] = False,
) -> None:
    """Put the broken state on the cluster and start the clock; a task that runs already is resumed."""
    from labs.prove.serving import serve
    from labs.render.course import started, task

    handle = session.handle()
    tasks = session.tasks()
    found = tasks.scenario(scenario)
    if not drafts and tasks.current(scenario) is None:
        serve(found)
    with session.listener() as emit:
        attempt = tasks.start(scenario, emit=emit)
    sheet = f"{task(session.out, found)}\n\n{started(session.out, attempt, str(handle.kubeconfig))}"
    session.show(attempt, sheet)


def check(
    session: Session,
    scenario: Id,
    settle: Annotated[
        float | None,
        typer.Option("--settle", metavar="SECONDS", min=0, help="How long to wait at most while things still move."),
    ] = None,
) -> int:
    """Grade a running task: exit code 0 when it passed, 1 when a check failed, 3 when something could not be asked."""
    from grader.report import to_json
    from labs.render.report import report

    tasks = session.tasks()
    with session.listener() as emit:
        result = tasks.check(scenario, settle=settle, emit=emit)
    session.show(to_json(result), report(session.out, result))
    if result.passed:
        return 0
    return BROKEN if result.unknown and not result.broken_guards else 1


def answer(
    session: Session,
    scenario: Id,
    component: Annotated[
        str | None, typer.Option("--component", metavar="KIND/NAME", help="The object at fault, as kubectl names it.")
    ] = None,
    cause: Annotated[
        str | None, typer.Option("--cause", metavar="CAUSE", help="One of the causes that `show` lists: id or number.")
    ] = None,
    evidence: Annotated[
        str | None, typer.Option("--evidence", metavar="LINE", help="A line of the cluster: event, log or field.")
    ] = None,
) -> int:
    """Answer a diagnose task: exit code 0 when all parts are right, 1 when one is wrong or open."""
    from labs.attempts.diagnosis import Given, asked
    from labs.commands.answering import ask
    from labs.render.course import diagnosis
    from labs.render.jsonout import plain

    tasks = session.tasks()
    found = tasks.scenario(scenario)
    asked(found)
    given = Given(component, cause, evidence)
    if None in {component, cause, evidence} and not session.json and sys.stdin.isatty() and sys.stdout.isatty():
        given = ask(session.out, found, given, tasks.clues(scenario))
    result = tasks.answer(scenario, component=given.component, cause=given.cause, evidence=given.evidence)
    data = {**plain(result), "right": result.right, "points": result.points, "possible": result.possible}
    session.show(data, diagnosis(session.out, result))
    return 0 if result.right else 1


def hint(session: Session, scenario: Id) -> None:
    """Take the next hint; it is written down that you did."""
    tasks = session.tasks()
    level, text = tasks.hint(scenario)
    out = session.out
    session.show({"level": level, "text": text}, f"{out.paint(f'Hint ({level})', 'bold')}\n{out.prose(text)}")


def solution(
    session: Session,
    scenario: Id,
    apply: Annotated[bool, typer.Option("--apply", help="Do what it says on the cluster.")] = False,
) -> None:
    """Show the solution, step by step; it is written down that you saw it."""
    from labs.render.course import fix

    tasks = session.tasks()
    answer = tasks.solution(scenario)
    if apply:
        with session.listener() as emit:
            tasks.apply_fix(scenario, answer, emit=emit)
    text = fix(session.out, tasks.scenario(scenario), answer)
    done = f"\n\n✓ applied; grade it with: labs scenarios check {scenario}" if apply else ""
    session.show({"applied": apply, "fix": answer}, text + done)


def reset(session: Session, scenario: Id) -> None:
    """Put one task back to its broken start and touch no other; the clock goes on."""
    tasks = session.tasks()
    with session.listener() as emit:
        attempt = tasks.reset(scenario, emit=emit)
    session.show(attempt, f"✓ {scenario} is broken again, as at its start")


def stop(session: Session, scenario: Id) -> None:
    """End a task and take everything it brought off the cluster."""
    from labs.shell import close

    handle, tasks = session.handle(), session.tasks()
    with session.listener() as emit:
        tasks.stop(scenario, emit=emit)
    close(handle.name, scenario)
    session.show(
        {"scenario": scenario, "running": False}, f"✓ {scenario} has ended; nothing of it is left on the cluster"
    )


def schema(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="[FILE]", help="scenario, fix or chapter.")] = "scenario",
) -> None:
    """Print the JSON Schema of scenario.yaml, for editors."""
    from labs.course.schema import schema as schemas
    from labs.errors import UsageError
    from labs.render.jsonout import dumps

    found = schemas()
    if file not in found:
        raise UsageError(f"there is no schema of `{file}`", hint=f"one of: {', '.join(found)}")
    session.show(found[file], dumps(found[file]))
