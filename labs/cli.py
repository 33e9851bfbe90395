"""The command line: `labs` opens the TUI, `labs COMMAND` does one thing.

Commands stand in `labs.commands`; this module only puts them together.

Called as the console script `labs`, by `python -m labs` and by the entry script. Exit codes: 0 pass, 1 a check
failed, 2 usage or bad data, 3 the cluster could not be asked, 130 Ctrl-C.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from labs.commands import bench, bundle, cluster, images, scenarios, work
from labs.commands.run import (
    ClusterOption,
    EventsOption,
    JsonOption,
    ProviderOption,
    guarded,
    interrupted,
    new_app,
    take,
)
from labs.commands.session import Session

app = new_app(
    "Practise Kubernetes for machine-learning services on a real cluster that is broken on purpose.", bare=True
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"labs {version('kubernetes-ml-labs')}\n")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
]


@app.callback(invoke_without_command=True, epilog="Example: labs up && labs scenarios list")
def main_options(
    context: typer.Context,
    *,
    cluster: ClusterOption = None,
    provider: ProviderOption = None,
    json: JsonOption = False,
    events: EventsOption = None,
    _version: VersionOption = False,
) -> None:
    """Practise Kubernetes for machine-learning services on a real cluster that is broken on purpose.

    Without a command the terminal app opens. The options below may stand before or after a command.
    """
    session = context.ensure_object(Session)
    take(session, {"cluster": cluster, "provider": provider, "json": json, "events": events})
    if context.invoked_subcommand is None:
        code = guarded(lambda: open_tui(session), session)
        raise typer.Exit(code)


def open_tui(session: Session) -> int:
    """Open the terminal app; where there is no terminal, say so."""
    from labs.errors import UsageError

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the app needs a terminal", hint="labs --help lists the commands that need none")
    from tui.app import run

    return int(run(cluster=session.cluster, provider=session.provider) or 0)


_scenarios = new_app("What can be practised, and one task from its start to its end.")
_bench = new_app("Measure the numbers of the project on this machine.")
_bundle = new_app("The engine's binaries as one file, for machines without a network.")
cluster.register(app)
app.add_typer(_scenarios, name="scenarios")
scenarios.register(_scenarios)
work.register(app)
app.add_typer(_bench, name="bench")
bench.register(_bench)
_images = new_app("The images of the lab: how large they are, and what is inside.")
app.add_typer(_bundle, name="bundle")
bundle.register(_bundle)
app.add_typer(_images, name="images")
images.register(_images)


def _terminated(_number: int, _frame: FrameType | None) -> None:
    """Treat SIGTERM and SIGHUP as Ctrl-C: children are stopped and state is left in order on the way out."""
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _terminated)
    try:
        app(prog_name="labs")
    except KeyboardInterrupt:
        sys.exit(interrupted(Session()))
