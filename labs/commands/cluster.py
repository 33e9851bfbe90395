"""`labs up | down | reset | status | doctor | kubeconfig | shell`: the cluster as a whole."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labs.commands.run import BROKEN, command
from labs.commands.session import Session

if TYPE_CHECKING:
    from labs.providers.base import ClusterHandle

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "up", example="labs up --profile two-cpu")(up)
    command(app, "down", example="labs down --cluster second")(down)
    command(app, "reset", example="labs reset --yes")(reset)
    command(app, "status", example="labs status --json")(status)
    command(app, "doctor", example="labs doctor")(doctor)
    command(app, "kubeconfig", example='eval "$(labs kubeconfig)" && kubectl get nodes')(kubeconfig)
    command(app, "shell", example="labs shell first-pod")(shell)


def up(
    session: Session,
    profile: Annotated[str, typer.Option("--profile", metavar="NAME", help="Topology (default: two-cpu).")] = "",
) -> None:
    """Bring the cluster up, repair it, or find that it runs already."""
    from labs.providers.base import DEFAULT_PROFILE

    began = time.monotonic()
    with session.listener() as emit:
        provider = session.chosen()
        wanted = profile or provider.status(session.cluster).profile or session.profile or DEFAULT_PROFILE
        handle = provider.up(session.cluster, profile=wanted, emit=emit)
    seconds = time.monotonic() - began
    session.show({**_handle(handle), "seconds": round(seconds, 3)}, _ready(session, handle, seconds))


def _handle(handle: ClusterHandle) -> dict[str, Any]:
    return {
        "name": handle.name,
        "provider": handle.provider,
        "id": handle.id,
        "kubeconfig": str(handle.kubeconfig),
        "registry": handle.registry,
        "capabilities": handle.capabilities,
    }


def _ready(session: Session, handle: ClusterHandle, seconds: float) -> str:
    from labs.render.terminal import duration

    out = session.out
    name = "" if handle.name == "lab" else f" --cluster {handle.name}"
    rows = [
        (f"labs scenarios list{name}", "what can be practised"),
        (f"labs scenarios start ID{name}", "begin a task"),
        (f'eval "$(labs kubeconfig{name})"', "use it with kubectl in this shell"),
        (f"labs down{name}", "stop it and take everything away"),
    ]
    width = max(len(what) for what, _ in rows)
    nodes = f"{handle.capabilities.nodes} nodes, in {duration(seconds)}"
    lines = [f"{out.paint('✓ ready', 'green')}  cluster {handle.name} ({handle.provider}), {nodes}", ""]
    lines += [f"  {out.paint(what.ljust(width), 'cyan')}  {why}" for what, why in rows]
    return "\n".join(lines)


def down(session: Session) -> None:
    """Stop the cluster and remove all it left on this machine."""
    from labs.shell import close

    with session.listener() as emit:
        close(session.cluster)
        session.chosen().down(session.cluster, emit=emit)
    session.show({"name": session.cluster, "phase": "absent"}, f"✓ cluster {session.cluster} is gone")


def reset(session: Session, yes: Yes = False) -> None:
    """Put the whole cluster back to its first state; all tasks on it end."""
    if not yes and not session.json and sys.stdin.isatty():
        typer.confirm(f"Throw away everything on cluster {session.cluster}?", abort=True, err=True)
    began = time.monotonic()
    with session.listener() as emit:
        handle = session.chosen().reset(session.cluster, emit=emit)
    seconds = time.monotonic() - began
    session.show({**_handle(handle), "seconds": round(seconds, 3)}, _ready(session, handle, seconds))


def status(session: Session) -> int:
    """Say where the cluster stands; exit code 0 when it is ready, else 3."""
    from labs.providers import clusters
    from labs.providers.base import Phase
    from labs.render.cluster import status as text

    found = session.chosen().status(session.cluster)
    others = [(provider, name) for provider, name in clusters() if name != session.cluster]
    lines = [text(session.out, found)]
    if others:
        lines += ["", "other clusters: " + ", ".join(f"{name} ({provider})" for provider, name in others)]
    if found.phase is not Phase.READY:
        name = "" if session.cluster == "lab" else f" --cluster {session.cluster}"
        lines += ["", f"{session.out.paint('hint:', 'cyan')} labs up{name}"]
    session.show({"cluster": found, "others": [{"provider": p, "name": n} for p, n in others]}, "\n".join(lines))
    return 0 if found.phase is Phase.READY else BROKEN


def doctor(session: Session) -> int:
    """Look at this machine without changing it: what each provider needs, and the mend for what is missing."""
    from labs.doctor import examine
    from labs.render.cluster import doctor as text

    diagnosis = examine()
    session.show(diagnosis, text(session.out, diagnosis.findings, diagnosis.auto))
    return 0 if diagnosis.auto else BROKEN


def kubeconfig(
    session: Session,
    path: Annotated[bool, typer.Option("--path", help="Print the file's path only.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Print the file's content.")] = False,
) -> None:
    """Print the line that points kubectl at the cluster: eval "$(labs kubeconfig)"."""
    handle = session.handle()
    if raw:
        text = handle.kubeconfig.read_text(encoding="utf-8").rstrip("\n")
    elif path:
        text = str(handle.kubeconfig)
    else:
        text = f"export KUBECONFIG={shlex.quote(str(handle.kubeconfig))}"
    session.show({"path": str(handle.kubeconfig)}, text)


def shell(session: Session, scenario: Annotated[str, typer.Argument(metavar="ID", help="A running task.")]) -> int:
    """Open the shell of a running task: kubectl set up, the task's files, the countdown.

    It is the same shell that the app opens; leave it with F12 (or exit where there is no tmux).
    """
    from labs.errors import UsageError
    from labs.shell import open_shell

    handle, tasks = session.handle(), session.tasks()
    found, attempt = tasks.scenario(scenario), tasks.current(scenario)
    if attempt is None:
        raise UsageError(f"the task {scenario} does not run", hint=f"labs scenarios start {scenario}")
    opened = open_shell(handle, attempt, found)
    if session.json:
        session.show({"argv": opened.argv, "cwd": opened.cwd}, "")
        return 0
    return subprocess.run(opened.argv, env=opened.env, cwd=opened.cwd, check=False).returncode
