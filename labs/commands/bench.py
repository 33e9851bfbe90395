"""`labs bench engine | tasks | grade`: the numbers of the project, measured on this machine, as JSON or a table."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labs.commands.run import command
from labs.commands.session import Session

if TYPE_CHECKING:
    from labs.bench.figures import Figure

Runs = Annotated[int, typer.Option("--runs", min=1, help="How often each figure is taken; the median counts.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[IDS]...", help="Scenarios (default: all).")]


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    command(app, "engine", example="labs bench engine --runs 5 --json")(engine)
    command(app, "tasks", example="labs bench tasks --json")(tasks)
    command(app, "grade", example="labs bench grade --runs 9")(grade)


def engine(session: Session, runs: Runs = 5) -> int:
    """Measure start, reset and memory of a cluster that is made for it."""
    from labs.bench.engine import measure

    with session.listener() as emit:
        figures = measure(runs=runs, emit=emit)
    return _show(session, figures)


def tasks(session: Session, ids: Ids = None, runs: Runs = 5) -> int:
    """Measure the start, the reset and the end of every scenario."""
    from labs.bench.tasks import measure

    service = session.tasks()
    with session.listener() as emit:
        figures = measure(service, ids or [], runs=runs, emit=emit)
    return _show(session, figures)


def grade(session: Session, runs: Runs = 5) -> int:
    """Measure the grading of ten settled checks."""
    from labs.bench.grade import measure

    service = session.tasks()
    with session.listener() as emit:
        figures = measure(service, runs=runs, emit=emit)
    return _show(session, figures)


def _show(session: Session, figures: Sequence[Figure]) -> int:
    from labs.render.bench import figures as text

    data: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "system": platform.platform(terse=True)},
        "figures": [figure.to_json() for figure in figures],
    }
    session.show(data, text(session.out, figures))
    return int(any(figure.met is False for figure in figures))
