"""`labs bench engine | tasks | grade | all`: the numbers of the project, measured on this machine: JSON or a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from labs.commands.run import command
from labs.commands.session import Session

if TYPE_CHECKING:
    from labs.bench.figures import Measured

Runs = Annotated[int, typer.Option("--runs", min=1, help="How often each figure is taken.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[IDS]...", help="Scenarios (default: all).")]


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    command(app, "engine", example="labs bench engine --runs 5 --json")(engine)
    command(app, "tasks", example="labs bench tasks --json")(tasks)
    command(app, "grade", example="labs bench grade --runs 9")(grade)
    command(app, "all", example="labs bench all --runs 5")(everything)


def engine(session: Session, runs: Runs = 5) -> int:
    """Measure start, reset and memory of a cluster that is made for it."""
    from labs.bench.engine import measure

    with session.listener() as emit:
        measured = measure(runs=runs, emit=emit)
    return _show(session, measured)


def tasks(session: Session, ids: Ids = None, runs: Runs = 5) -> int:
    """Measure the start, the reset and the end of every scenario."""
    from labs.bench.tasks import measure

    service = session.tasks()
    with session.listener() as emit:
        measured = measure(service, ids or [], runs=runs, emit=emit)
    return _show(session, measured)


def grade(session: Session, runs: Runs = 5) -> int:
    """Measure the grading of ten settled checks."""
    from labs.bench.grade import measure

    service = session.tasks()
    with session.listener() as emit:
        measured = measure(service, runs=runs, emit=emit)
    return _show(session, measured)


def everything(session: Session, runs: Runs = 5) -> int:
    """Measure all of it on a cluster of its own, a quarter of an hour; in a checkout, write docs/performance.md."""
    from labs import paths
    from labs.bench import page, whole
    from labs.course.position import place
    from labs.render.bench import figures

    with session.listener() as emit:
        measured = whole.measure(runs=runs, emit=emit)
    docs = paths.data_root() / "docs"
    written = [place(path) for path in page.write(measured, docs)] if docs.is_dir() else []
    text = [f"{page.TITLES[name]}\n{figures(session.out, found)}" for name, found in measured.items()]
    text += [f"written: {path}" for path in written]
    session.show({**page.data(measured), "written": written}, "\n\n".join(text))
    return int(not all(found.met for found in measured.values()))


def _show(session: Session, measured: Measured) -> int:
    from labs.bench.page import machine
    from labs.render.bench import figures

    session.show({"machine": machine(), **measured.to_json()}, figures(session.out, measured))
    return int(not measured.met)
