"""Does what a fix says, step by step, with the learner's own tools. Called by `service.Tasks.apply_fix`."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from grader import git, registry
from grader.errors import GraderError
from labs import tools
from labs.attempts import workspace
from labs.attempts.steps import step
from labs.course.models import Fix, FixStep, StepAnswer
from labs.errors import ClusterError
from labs.events import Listener
from labs.providers.base import ClusterHandle

TIMEOUT = 150.0
_DIGEST = re.compile(r"\{digest of ([^\s{}]+)\}")
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
_PROXIES = ("HTTPS_PROXY", "NO_PROXY", "https_proxy", "no_proxy")
_FIND: dict[str, Callable[[], Path]] = {
    "kubectl": tools.kubectl,
    "helm": tools.helm,
    "git": lambda: tools.require("git"),
}
# No editor either: the task's repository brings a name to commit with.
_GIT = {
    **git.UNSET,
    "GIT_EDITOR": "true",
    "GIT_SEQUENCE_EDITOR": "true",
    "FILTER_BRANCH_SQUELCH_WARNING": "1",
}


def apply_fix(
    handle: ClusterHandle,
    target: Path,
    fix: Fix,
    *,
    answer: Callable[[StepAnswer], None],
    emit: Listener,
) -> None:
    """Do the steps of a fix in order.

    Args:
        handle: The cluster.
        target: The learner's workspace.
        fix: What to do.
        answer: Gives a diagnosis.
        emit: Who is told.

    Raises:
        ClusterError: A step failed that must succeed; the message is the program's last line.
        MachineError: A program is missing.
    """
    for number, item in enumerate(fix.file.steps, 1):
        with step(emit, f"fix-{number}", item.say, _said(item)):
            if item.copy_:
                workspace.copy(fix.folder / item.copy_, target)
            elif item.answer:
                answer(item.answer)
            else:
                _run(handle, item, fix, target)


def _digest(handle: ClusterHandle, reference: str) -> str:
    """Return the digest of an image: it is another on each machine, since images are built there."""
    private = reference.startswith("private.")
    address, login = handle.private if private else (handle.registry, "")
    try:
        found = registry.read(address, reference, login) if address else None
    except GraderError as error:
        raise ClusterError(error.message, where=reference, hint=error.hint) from None
    if found is None:
        raise ClusterError("the lab's registry does not have the image", where=reference, hint="labs status")
    return found.digest


def _said(item: FixStep) -> str:
    if item.answer:
        return f"answer {item.answer.component}, {item.answer.cause}"
    if item.copy_:
        return f"save {item.copy_}/ over the workspace"
    return " ".join(item.command)


def _run(handle: ClusterHandle, item: FixStep, fix: Fix, target: Path) -> None:
    program, *arguments = item.command
    arguments = [_DIGEST.sub(lambda found: _digest(handle, found[1]), word) for word in arguments]
    # A cluster on this machine is not behind the machine's proxy; a cluster in a cloud may be.
    kept = (*_KEPT, *_PROXIES) if handle.provider == "context" else _KEPT
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env |= _GIT if program == "git" else {"KUBECONFIG": str(handle.kubeconfig)}
    binary = _FIND[program]()
    try:
        done = subprocess.run(
            [str(binary), *arguments],
            cwd=fix.folder if program == "kubectl" else target,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{program} did not end within {TIMEOUT:.0f} s", where=_said(item)) from None
    except OSError as error:
        raise ClusterError(f"{program} cannot be run: {error}", where=str(binary)) from None
    if done.returncode and item.expect == "ok":
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        said = lines[-1].strip() if lines else f"exit code {done.returncode}"
        hint = f"step of the fix `{fix.id}`: {item.say}"
        raise ClusterError(said, where=_said(item), hint=hint)
