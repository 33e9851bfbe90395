"""`labs demo | prove | lint`: the main job without hands, and the two gates for scenarios."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labs.commands.run import command
from labs.commands.session import Session

Ids = Annotated[list[str] | None, typer.Argument(metavar="[IDS]...", help="Scenarios (default: all).")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "demo", example="labs demo --down")(demo)
    command(app, "prove", example="labs prove --all")(prove)
    command(app, "lint", example="labs lint scenarios/")(lint)


def demo(
    session: Session,
    ids: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="Play every scenario of the course.")] = False,
    down: Annotated[bool, typer.Option("--down", help="Take the cluster down at the end.")] = False,
) -> int:
    """Show the product: break, grade, mend wrongly, reset, mend rightly.

    It brings the cluster up where none runs, plays one scenario of each chapter (or those named) and keeps it.
    Exit code 0 only if everything behaved.
    """
    from labs.demo import Demo
    from labs.render.demo import Narrator

    with session.listener(indent="  ") as emit:
        narrator = Narrator(session.err if session.json else session.out)
        show = Demo(session.provider, session.cluster, tell=narrator, emit=emit)
        result = show.run(ids or [], every=every, down=down)
    if session.json:
        session.show(result, "")
    return result.exit_code


def prove(
    session: Session,
    ids: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="Prove every scenario of the course.")] = False,
) -> int:
    """Prove scenarios: untouched fails, solved passes, each wrong fix fails, reset is exact.

    It needs a running cluster and leaves it as it found it. Exit code 1 when something is not proved.
    """
    from labs.errors import UsageError
    from labs.prove import prove as gate
    from labs.render.gates import proofs

    if bool(ids) == every:
        raise UsageError("name scenarios, or all of them", hint="labs prove ID…, or labs prove --all")
    tasks = session.tasks()
    with session.listener() as emit:
        report = gate(tasks, ids or None, emit=emit)
    session.show(report.to_json(), proofs(session.out, report))
    return 0 if report.proved else 1


def lint(
    session: Session,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATHS]...", help="Folders or files (default: all).")
    ] = None,
) -> int:
    """Check the course without a cluster: schema, literals, images, hints.

    Exit code 2 when something has to be mended.
    """
    from labs.course.lint import lint as examine
    from labs.errors import DataError, UsageError
    from labs.render.gates import findings

    missing = [path for path in files or [] if not path.exists()]
    if missing:
        raise UsageError(f"there is no {missing[0]}", hint="labs lint without a path checks the whole course")
    found = examine(files or None)
    session.show({"findings": found}, findings(session.out, found))
    return DataError.exit_code if found else 0
