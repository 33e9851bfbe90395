"""`labs new | lint | schema`, and `labs prove` with all its ways: the tools of those who write scenarios."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labs.commands.run import command
from labs.commands.session import Session

if TYPE_CHECKING:
    from labs.attempts.service import Tasks
    from labs.bench.figures import Figure
    from labs.course.models import Scenario
    from labs.prove import Proof, ProveReport
    from labs.prove.ledger import Choice
    from labs.providers.base import ClusterHandle

REFERENCES = 5
Seed = Annotated[
    int | None, typer.Option("--seed", min=0, help="Of what is drawn and of the order; default: a random one, printed.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "new", example="labs new no-endpoints --chapter 3 --kind fix")(new)
    command(app, "lint", example="labs lint scenarios/")(lint)
    command(app, "prove", example="labs prove --watch no-endpoints")(prove)
    command(app, "schema", example="labs schema fix")(schema)


def new(
    session: Session,
    scenario: Annotated[str, typer.Argument(metavar="ID", help="Its id, such as no-endpoints.")],
    chapter: Annotated[int, typer.Option("--chapter", min=1, max=6, help="Number of its chapter.")],
    kind: Annotated[str, typer.Option("--kind", help="build, fix, diagnose or operate.")] = "fix",
    lesson: Annotated[str, typer.Option("--lesson", help="Its lesson, such as 3.1; default: the first.")] = "",
) -> None:
    """Make the folder of a new scenario, which can be proved as it is; what is to be written says TODO."""
    from labs.course.create import create, kind_of
    from labs.course.position import place

    files = create(scenario, chapter=chapter, kind=kind_of(kind), lesson=lesson)
    folder = place(files[0].parent if files[0].parent.name == scenario else files[0].parent.parent)
    out = session.out
    text = "\n".join(
        [
            f"{out.paint('✓', 'green')} {folder}: {len(files)} files",
            f"  what is to be written:  labs lint {folder}",
            f"  try it while you write: labs prove --watch {scenario}",
            "  the guide:              docs/authoring.md",
        ]
    )
    session.show({"scenario": scenario, "folder": folder, "files": [place(path) for path in files]}, text)


def lint(
    session: Session,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATHS]...", help="Folders or files (default: all).")
    ] = None,
) -> int:
    """Check the course without a cluster: schema, literals, images, hints.

    Exit code 2 when something has to be mended. Scenarios that are not proved as they are now are told as warnings.
    """
    from labs.course.lint import lint as examine
    from labs.errors import DataError, UsageError
    from labs.render.gates import findings

    missing = [path for path in files or [] if not path.exists()]
    if missing:
        raise UsageError(f"there is no {missing[0]}", hint="labs lint without a path checks the whole course")
    found = examine(files or None)
    drafts = _drafts(files)
    session.show({"findings": found, "not_proved": drafts}, findings(session.out, found, drafts))
    return DataError.exit_code if found else 0


def _drafts(files: list[Path] | None) -> list[str]:
    """Return the scenarios, of all or of some folders, that the ledger does not hold as they are now."""
    from labs.course.load import scan
    from labs.prove.ledger import Ledger

    scenarios = scan().course.scenarios
    wanted = [path.resolve() for path in files or []]
    if wanted:
        folders = {s.id: s.folder.resolve() for s in scenarios}
        scenarios = tuple(s for s in scenarios if any(p in (folders[s.id], *folders[s.id].parents) for p in wanted))
    return sorted(Ledger().drafts(scenarios))


def schema(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="[FILE]", help="scenario, fix, chapter or repository.")] = "scenario",
    write: Annotated[bool, typer.Option("--write", help="Write all of them to where new scenarios look.")] = False,
) -> None:
    """Print the JSON Schema of an author's file, for editors, or write all schemas to scenarios/.schema/."""
    from labs.course.create import write_schemas
    from labs.course.position import place
    from labs.course.schema import schema as schemas
    from labs.errors import UsageError
    from labs.render.jsonout import dumps

    found = schemas()
    if file not in found:
        raise UsageError(f"there is no schema of `{file}`", hint=f"one of: {', '.join(found)}")
    if write:
        made = [place(path) for path in write_schemas()]
        session.show({"files": made}, "\n".join(made))
        return
    session.show(found[file], dumps(found[file]))


def prove(
    session: Session,
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[IDS]...", help="Scenarios (default: what has changed, and a tenth of the rest)."),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Prove every scenario and write the report to docs/.")] = False,
    repeat: Annotated[int, typer.Option("--repeat", min=1, help="Try everything so often, in random order.")] = 1,
    parallel: Annotated[
        int, typer.Option("--parallel", min=1, max=8, help="So many scenarios at once, each in its namespaces.")
    ] = 2,
    seed: Seed = None,
    watch: Annotated[bool, typer.Option("--watch", help="Lint and prove one scenario again at every save.")] = False,
) -> int:
    """Prove scenarios: untouched fails, solved passes, wrong and unfinished fixes fail, reset is exact.

    It needs a running cluster and leaves it as it found it. What is proved is written to scenarios/proved.json. Exit
    code 1 when something is not proved.
    """
    from labs.errors import UsageError
    from labs.render.gates import proofs

    if ids and every:
        raise UsageError("name scenarios, or all of them", hint="labs prove ID…, or labs prove --all")
    drawn = secrets.randbelow(10_000) if seed is None else seed
    if watch:
        _watched(session, ids or [])
    tasks = _tasks(session, ids or [])
    chosen, choice = _chosen(tasks, ids or [], every=every, seed=drawn)
    if not chosen:
        session.show({"proved": True, "seed": drawn, "proofs": []}, "nothing to prove: there is no scenario")
        return 0
    session.err.write(_announced(choice, len(chosen), drawn, repeat))
    reference = _reference(tasks.handle) if every else None
    report = _run(session, tasks, chosen, repeat=repeat, parallel=parallel, seed=drawn)
    written = _written(report, drawn, reference) if reference else []
    data = {**report.to_json(), "seed": drawn, "repeat": repeat, "choice": choice}
    session.show(data, proofs(session.out, report) + "".join(f"\nwritten: {path}" for path in written))
    return 0 if report.proved else 1


def _tasks(session: Session, ids: list[str]) -> Tasks:
    """Return the tasks; a mistake in another scenario's files does not keep an author from proving this one."""
    from labs.attempts.service import Tasks
    from labs.course.load import load_course, scan

    found = scan()
    known = {s.id for s in found.course.scenarios}
    course = found.course if ids and set(ids) <= known else load_course()
    return Tasks(session.handle(), course=course)


def _chosen(tasks: Tasks, ids: list[str], *, every: bool, seed: int) -> tuple[list[str], Choice | None]:
    from labs.prove.ledger import Ledger

    if ids:
        return ids, None
    if every:
        return [s.id for s in tasks.course.scenarios], None
    choice = Ledger().choose(tasks.course.scenarios, seed)
    return choice.ids, choice


def _announced(choice: Choice | None, count: int, seed: int, repeat: int) -> str:
    if choice is None:
        return f"seed {seed}" if repeat > 1 else f"{count} scenario{'s' * (count != 1)}"
    changed, drawn = len(choice.changed), ", ".join(choice.sampled) or "none"
    return f"seed {seed}: {changed} changed or never proved; of the others: {drawn}"


def _run(
    session: Session,
    tasks: Tasks,
    ids: list[str],
    *,
    repeat: int = 1,
    parallel: int = 1,
    seed: int = 0,
    cancelled: Callable[[], bool] = lambda: False,
) -> ProveReport:
    from labs.errors import LabsError
    from labs.events import Notice
    from labs.prove import prove as gate
    from labs.prove.ledger import Ledger

    handle, ledger = tasks.handle, Ledger()
    with session.listener() as emit:

        def done(scenario: Scenario, proof: Proof) -> None:
            try:
                ledger.record(scenario, proof, provider=handle.provider, gpu=handle.capabilities.gpu)
            except LabsError as error:
                emit(Notice(error.message, error.hint, warning=True))

        return gate(tasks, ids, repeat=repeat, parallel=parallel, seed=seed, cancelled=cancelled, done=done, emit=emit)


def _reference(handle: ClusterHandle) -> Figure:
    """Return how fast the machine is, taken while it is still quiet."""
    from labs.bench.yardstick import Yardstick

    yard = Yardstick(handle.kubeconfig)
    for _ in range(REFERENCES):
        yard.take()
    return yard.figure()


def _written(report: ProveReport, seed: int, reference: Figure) -> list[str]:
    """Write the report into a checkout; an installed package has no docs."""
    from labs import paths
    from labs.course.position import place
    from labs.prove.page import write

    docs = paths.data_root() / "docs"
    if not docs.is_dir() or any(proof.cancelled for proof in report.proofs):
        return []
    return [place(path) for path in write(report, docs, seed=seed, reference=reference)]


def _watched(session: Session, ids: list[str]) -> None:
    """Lint and prove one scenario at every save, until Ctrl-C; what runs then is taken off the cluster."""
    from labs import paths
    from labs.errors import UsageError
    from labs.prove.watch import watch

    if len(ids) != 1:
        raise UsageError("one scenario can be watched", hint="labs prove --watch ID")
    folders = sorted(paths.scenarios_dir().glob(f"*/{ids[0]}"))
    if not folders:
        raise UsageError(f"there is no scenario `{ids[0]}`", hint=f"labs new {ids[0]} --chapter N --kind fix")
    session.handle()  # no cluster: said at once, not after the first save
    watch(folders[0], lambda changed: _once(session, ids[0], folders[0], changed))


def _once(session: Session, name: str, folder: Path, changed: Callable[[], bool]) -> None:
    from labs.course.lint import lint as examine
    from labs.errors import LabsError
    from labs.render.errors import error as text_of
    from labs.render.gates import findings, proofs

    found = examine([folder])
    session.show({"findings": found}, findings(session.out, found))
    if any(finding.rule != "todo" for finding in found):
        session.err.write("waiting for a save…")
        return
    try:
        report = _run(session, _tasks(session, [name]), [name], cancelled=changed)
    except LabsError as error:
        session.err.write(text_of(session.err, error))
    else:
        if changed():
            session.err.write("changed meanwhile: once more")
            return
        session.show(report.to_json(), proofs(session.out, report))
    session.err.write("waiting for a save…")
