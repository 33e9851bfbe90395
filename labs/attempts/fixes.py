"""Does what a fix says, step by step, with the learner's own tools. Called by `service.Tasks.apply_fix`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from labs import tools
from labs.attempts import workspace
from labs.attempts.steps import step
from labs.course.models import Fix, FixStep, StepAnswer
from labs.errors import ClusterError
from labs.events import Listener
from labs.providers.base import ClusterHandle

TIMEOUT = 150.0
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
_PROXIES = ("HTTPS_PROXY", "NO_PROXY", "https_proxy", "no_proxy")


def apply_fix(
    handle: ClusterHandle,
    target: Path,
    fix: Fix,
    *,
    answer: Callable[[StepAnswer], None],
    emit: Listener,
    kubectl: Callable[[], Path] = tools.kubectl,
) -> None:
    """Do the steps of a fix in order.

    Args:
        handle: The cluster.
        target: The learner's workspace.
        fix: What to do.
        answer: Gives a diagnosis.
        emit: Who is told.
        kubectl: Finds the program.

    Raises:
        ClusterError: A step failed that must succeed; the message is kubectl's last line.
    """
    for number, item in enumerate(fix.file.steps, 1):
        with step(emit, f"fix-{number}", item.say, _typed(item)):
            if item.copy_:
                workspace.copy(fix.folder / item.copy_, target)
            elif item.answer:
                answer(item.answer)
            else:
                _run(kubectl(), handle, item, fix)


def _typed(item: FixStep) -> str:
    if item.answer:
        return f"answer {item.answer.component}, {item.answer.cause}"
    return f"save {item.copy_}/ over the workspace" if item.copy_ else f"kubectl {' '.join(item.kubectl)}"


def _run(program: Path, handle: ClusterHandle, item: FixStep, fix: Fix) -> None:
    # A cluster on this machine is not behind the machine's proxy; a cluster in a cloud may be.
    kept = (*_KEPT, *_PROXIES) if handle.provider == "context" else _KEPT
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env["KUBECONFIG"] = str(handle.kubeconfig)
    command = [str(program), *item.kubectl]
    try:
        done = subprocess.run(
            command,
            cwd=fix.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ClusterError(f"kubectl did not end within {TIMEOUT:.0f} s", where=_typed(item)) from None
    except OSError as error:
        raise ClusterError(f"kubectl cannot be run: {error}", where=str(program)) from None
    if done.returncode and item.expect == "ok":
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        said = lines[-1].strip() if lines else f"exit code {done.returncode}"
        hint = f"step of the fix `{fix.id}`: {item.say}"
        raise ClusterError(said, where=_typed(item), hint=hint)
