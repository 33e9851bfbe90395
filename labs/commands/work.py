"""`labs demo`: the main job without hands. The tools of authors, beside it in the help, stand in `authors.py`."""

from __future__ import annotations

from typing import Annotated

import typer

from labs.commands import authors
from labs.commands.run import command
from labs.commands.session import Session

Ids = Annotated[list[str] | None, typer.Argument(metavar="[IDS]...", help="Scenarios (default: all).")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "demo", example="labs demo --down")(demo)
    authors.register(app)


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
