"""Reads a Git repository of the learner's workspace, without running anything that it configures.

Used by `grader.live`. Never writes: not even the index is refreshed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from grader.cluster import Repository
from grader.errors import Refused, Unanswered
from grader.text import clean

SECONDS = 10.0
MOST_BYTES = 4 * 1024 * 1024

# A repository may name programs to run (monitors, hooks, filters, differs); whoever grades must not run them.
_HARMLESS = (
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "safe.directory=*"),
    *("-c", "core.pager=cat", "-c", "protocol.allow=never", "-c", "diff.external=", "--no-optional-locks"),
)


def read(workspace: Path, folder: str, *, file: str = "", lacks: str = "") -> Repository:
    """Return the state of a repository.

    Args:
        workspace: The learner's folder.
        folder: Where the repository lies, relative to it.
        file: A file to read from the newest commit, or empty.
        lacks: A text to search all history for, or empty.

    Raises:
        Refused: There is none, or it is outside the workspace; the message is evidence.
        Unanswered: There is no git, or it did not end in time.
    """
    root = workspace.resolve()
    target = (root / folder).resolve()
    if not target.is_relative_to(root):
        raise Refused(f"`{folder}` is outside the workspace")
    if not (target / ".git").is_dir():
        raise Refused(f"there is no Git repository in `{folder}`")
    branch = _git(target, "symbolic-ref", "--short", "-q", "HEAD").out.strip()
    born = _git(target, "rev-parse", "-q", "--verify", "HEAD").code == 0
    # -z: names with blanks or quotes as they are.
    dirty = [entry[3:] for entry in _git(target, "status", "--porcelain", "-z").out.split("\0") if entry[3:]]
    message = _git(target, "log", "-1", "--format=%B").out.strip() if born else ""
    text = _git(target, "cat-file", "blob", f"HEAD:{file}") if born and file else None
    found: list[str] = []
    if lacks and born:
        history = ("log", "--all", "--no-ext-diff", "--no-textconv", "--format=%h", f"-S{lacks}")
        found = _git(target, *history).out.split()
        if not _git(target, "grep", "-q", "-F", "-e", lacks).code:
            found = found or ["(not committed)"]
    here = text.out if text is not None and text.code == 0 else None
    return Repository(branch, tuple(dirty), message, here, tuple(found))


class _Ran:
    """What git printed, and its exit code."""

    def __init__(self, code: int, out: str) -> None:
        self.code = code
        self.out = out


def _git(folder: Path, *arguments: str) -> _Ran:
    program = shutil.which("git")
    if program is None:
        raise Unanswered("git is not installed, so nothing can be read", hint="run `labs doctor`")
    env = {
        "PATH": os.defpath,
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
    try:
        done = subprocess.run(
            [program, "-C", str(folder), *_HARMLESS, *arguments],
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env=env,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise Unanswered(f"git {arguments[0]} did not end in {SECONDS:.0f} s") from None
    except OSError as error:
        raise Unanswered(f"git cannot be run: {clean(str(error))}") from error
    return _Ran(done.returncode, done.stdout[:MOST_BYTES].decode(errors="replace"))
