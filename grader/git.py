"""Reads a Git repository of the learner's workspace, without running anything that it configures.

Used by `grader.live`; `labs.attempts.repository` makes and compares repositories with `run`. `read` never writes: not
even the index is refreshed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grader.cluster import Repository
from grader.errors import Refused, Unanswered
from grader.text import clean

SECONDS = 10.0
MOST_BYTES = 4 * 1024 * 1024
MOST_HISTORY = 64 * 1024 * 1024
"""Bytes of all versions of all files; what is larger is not searched."""

UNSET = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
"""Environment in which git has no settings of this machine or its user, and asks nobody."""

ENV = {"PATH": os.defpath, "HOME": "/nonexistent", "LC_ALL": "C", **UNSET}

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
        file: A file to read from the newest commit, or `BRANCH:PATH` for another branch's, or empty.
        lacks: A text to search all history for, or empty.

    Raises:
        Refused: There is none, or it is outside the workspace; the message is evidence.
        Unanswered: There is no git, it did not end in time, or the history is too large to be searched.
    """
    root = workspace.resolve()
    target = (root / folder).resolve()
    if not target.is_relative_to(root):
        raise Refused(f"`{folder}` is outside the workspace")
    if not (target / ".git").is_dir():
        raise Refused(f"there is no Git repository in `{folder}`")
    branch = run(target, "symbolic-ref", "--short", "-q", "HEAD").out.strip()
    born = run(target, "rev-parse", "-q", "--verify", "HEAD").code == 0
    # -z: names with blanks or quotes as they are.
    dirty = [entry[3:] for entry in run(target, "status", "--porcelain", "-z").out.split("\0") if entry[3:]]
    message = run(target, "log", "-1", "--format=%B").out.strip() if born else ""
    text = run(target, "cat-file", "blob", file if ":" in file else f"HEAD:{file}") if born and file else None
    here = text.out if text is not None and text.code == 0 else None
    found, left = _search(target, lacks) if lacks else ([], [])
    if lacks and not found and not run(target, "grep", "-q", "-F", "-e", lacks).code:
        found = ["a file that is not committed"]
    return Repository(branch, tuple(dirty), message, here, tuple(found), tuple(left))


def _search(target: Path, text: str) -> tuple[list[str], list[str]]:
    """Return where a text stands: in what a branch, a tag or a stash reaches, and in what nothing reaches any more.

    Every version of every file, every message of a commit and of a tag is looked at, so that a merge hides nothing.
    """
    listing = run(target, "rev-list", "--objects", "--all", most=MOST_HISTORY)
    if listing.code:
        # Nothing is told from nothing: a repository that lost what it refers to is no clean one.
        raise Refused("not everything that branches and tags lead to is there; `git fsck` says what is missing")
    reached: dict[str, str] = {}
    for line in listing.out.splitlines():
        oid, _, name = line.partition(" ")
        reached.setdefault(oid, name)
    found: list[str] = []
    left: list[str] = []
    for oid, kind in _holding(target, text.encode()):
        if oid in reached:
            found.append(_place(target, oid, kind, reached[oid]))
        else:
            left.append(f"{kind} {oid[:7]}")
    return sorted(found), sorted(left)


def _holding(target: Path, text: bytes) -> Iterator[tuple[str, str]]:
    """Yield id and kind of every object in the store that holds the text."""
    sizes = run(target, "cat-file", "--batch-all-objects", "--batch-check=%(objectsize)", most=MOST_HISTORY).out.split()
    if sum(map(int, sizes)) > MOST_HISTORY:
        raise Unanswered(f"the repository holds more than {MOST_HISTORY // 1024 // 1024} MiB, too much to be searched")
    answer = run(target, "cat-file", "--batch-all-objects", "--batch", most=2 * MOST_HISTORY)
    if answer.code:
        raise Unanswered("the repository's objects cannot be read; `git fsck` says why")
    data, at = answer.raw, 0
    while at < len(data):
        head, _, _ = data[at : at + 200].partition(b"\n")
        oid, kind, size = head.decode().split()
        begin = at + len(head) + 1
        at = begin + int(size) + 1
        if kind != "tree" and text in data[begin:at]:
            yield oid, kind


def _place(target: Path, oid: str, kind: str, name: str) -> str:
    """Say for a person where an object that holds the text is, and what keeps it."""
    if kind == "tag":
        return f"the message of the tag {clean(name, 80)}"
    commit = oid
    if kind == "blob":
        # The oldest commit that has it: whatever comes from there has it too.
        commits = run(target, "log", "--all", "-m", "--format=%H", f"--find-object={oid}").out.split()
        commit = commits[-1] if commits else ""
    what = clean(name, 80) if kind == "blob" else "the message"
    if not commit:
        return what
    keeps = run(target, "for-each-ref", f"--contains={commit}", "--format=%(refname:short)").out.split()
    return f"{what} in commit {commit[:7]}" + (f", kept by {clean(', '.join(keeps[:4]), 160)}" if keeps else "")


@dataclass(frozen=True, slots=True)
class Ran:
    """What git printed, and its exit code."""

    code: int
    raw: bytes

    @property
    def out(self) -> str:
        """What it printed, as text."""
        return self.raw.decode(errors="replace")


def run(folder: Path, *arguments: str, given: bytes = b"", most: int = MOST_BYTES) -> Ran:
    """Run git in a folder, with none of the settings of this machine and none of the programs the folder configures.

    Args:
        folder: A repository, or where one is to be.
        arguments: What git is asked.
        given: Its standard input.
        most: Bytes of output that are kept.

    Raises:
        Unanswered: There is no git, or it did not end in time.
    """
    program = shutil.which("git")
    if program is None:
        raise Unanswered("git is not installed, so nothing can be read", hint="run `labs doctor`")
    command = [program, "-C", str(folder), *_HARMLESS, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False, env=ENV, input=given)
    except subprocess.TimeoutExpired:
        raise Unanswered(f"git {arguments[0]} did not end in {SECONDS:.0f} s") from None
    except OSError as error:
        raise Unanswered(f"git cannot be run: {clean(str(error))}") from error
    return Ran(done.returncode, done.stdout[:most])
