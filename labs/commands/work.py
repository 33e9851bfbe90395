"""`labs demo | prove | lint`: the main job without hands, and the two gates for scenarios."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labs.commands.run import command
from labs.commands.session import Session

Ids = Annotated[list[str] | None, typer.Argument(metavar="[IDS]...", help="Scenarios; default: see below.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "demo", example="labs demo --down")(demo)
    command(app, "prove", example="labs prove --all")(prove)
    command(app, "lint", example="labs lint scenarios/")(lint)


def demo(
    session: Session,
    ids: Ids = None,
    down: Annotated[bool, typer.Option("--down", help="Take the cluster down at the end.")] = False,
) -> int:
    """Show the product: break, grade, mend wrongly, mend rightly, reset – on every scenario of the demo."""
    from labs.demo import Demo
    from labs.render.demo import Narrator

    with session.listener(indent="  ") as emit:
        narrator = Narrator(session.err if session.json else session.out)
        show = Demo(session.provider, session.cluster, tell=narrator, emit=emit)
        result = show.run(ids or [], down=down)
    if session.json:
        session.show(result, "")
    return result.exit_code


def prove(
    session: Session,
    ids: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="Prove every scenario of the course.")] = False,
) -> int:
    """Prove scenarios on the cluster: untouched fails, the solution passes, each wrong fix fails, reset is exact."""
    raise NotImplementedError


def lint(
    session: Session,
    files: Annotated[list[Path] | None, typer.Argument(metavar="[PATHS]...", help="Scenario folders or files.")] = None,
) -> int:
    """Check scenario files without a cluster: schema, literals, images, hints."""
    raise NotImplementedError
