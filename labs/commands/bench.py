"""`labs bench engine | tasks | grade`: the numbers of the project, measured here, as JSON or a table."""

from __future__ import annotations

from typing import Annotated

import typer

from labs.commands.run import command
from labs.commands.session import Session

Runs = Annotated[int, typer.Option("--runs", min=1, help="How often each figure is taken; the median counts.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    command(app, "engine", example="labs bench engine --runs 5 --json")(engine)
    command(app, "tasks", example="labs bench tasks")(tasks)
    command(app, "grade", example="labs bench grade")(grade)


def engine(session: Session, runs: Runs = 5) -> None:
    """Measure start, reset and memory of a cluster of its own."""
    raise NotImplementedError


def tasks(session: Session, runs: Runs = 5) -> None:
    """Measure the start and the reset of every scenario."""
    raise NotImplementedError


def grade(session: Session, runs: Runs = 5) -> None:
    """Measure the grading of ten settled checks."""
    raise NotImplementedError
