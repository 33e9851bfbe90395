"""Makes the Git repository of a task in the learner's workspace, and says where it is not as it was made.

Called by `seeding.py`. The same history gives the same commit ids on every machine; what a repository configures is
never run, because git is asked through `grader.git.run`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from grader import git
from grader.errors import GraderError
from labs import tools
from labs.course.repository import Commit, Repository
from labs.errors import MachineError


def make(repository: Repository, workspace: Path) -> None:
    """Make the repository anew, with the newest commit of its branch checked out; what was in its folder is lost.

    Raises:
        MachineError: There is no git, or the folder cannot be written.
    """
    tools.require("git")
    target = workspace / repository.folder
    try:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True, mode=0o700)
        _ask(target, "init", "-q", "--template=", "-b", repository.branch)
        _ask(target, "fast-import", "--quiet", given=b"".join(_stream(repository)))
        name, _, mail = repository.learner.removesuffix(">").partition(" <")
        with (target / ".git" / "config").open("a", encoding="utf-8") as config:
            config.write(f"[user]\n\tname = {name}\n\temail = {mail}\n[gc]\n\tauto = 0\n[commit]\n\tgpgSign = false\n")
        _ask(target, "read-tree", "-u", "--reset", "HEAD")
    except OSError as error:
        raise MachineError(f"the task's repository cannot be written: {error}", where=str(target)) from None


def differs(repository: Repository, workspace: Path) -> list[str]:
    """Return what of the repository is not as `make` makes it; empty right after it."""
    with tempfile.TemporaryDirectory(prefix="labs-repository-") as folder:
        make(repository, Path(folder))
        wanted = _state(Path(folder) / repository.folder)
    found = _state(workspace / repository.folder)
    return [f"{repository.folder}: {what}" for what in wanted if wanted[what] != found.get(what)]


def _state(target: Path) -> dict[str, str]:
    """Return what makes a repository what it is: refs, objects, settings, and what is not committed."""
    if not (target / ".git").is_dir():
        return {}
    return {
        "head": _ask(target, "rev-parse", "--symbolic-full-name", "HEAD"),
        "refs": _ask(target, "for-each-ref", "--format=%(refname) %(objectname)"),
        "objects": _ask(target, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)"),
        "settings": (target / ".git" / "config").read_text(encoding="utf-8", errors="replace"),
        "files": _ask(target, "status", "--porcelain", "--ignored"),
    }


def _ask(target: Path, *arguments: str, given: bytes = b"") -> str:
    try:
        done = git.run(target, *arguments, given=given)
    except GraderError as error:
        raise MachineError(error.message, where=str(target), hint=error.hint) from None
    if done.code:
        raise MachineError(f"git {arguments[0]} ended with {done.code}", where=str(target))
    return done.out


def _stream(repository: Repository) -> Iterator[bytes]:
    """Yield what `git fast-import` reads."""
    tips: dict[str, int] = {}
    for mark, commit in enumerate(repository.commits, 1):
        branch = commit.branch or repository.branch
        parent = tips.get(branch, tips.get(repository.branch))
        tips[branch] = mark
        who = f"{commit.author} {commit.seconds} +0000"
        head = [f"commit refs/heads/{branch}", f"mark :{mark}", f"author {who}", f"committer {who}"]
        yield "\n".join([*head, ""]).encode()
        yield _data(f"{commit.message.strip()}\n")
        if parent:
            yield f"from :{parent}\n".encode()
        yield from _changes(commit)
        if commit.tag:
            yield f"tag {commit.tag}\nfrom :{mark}\ntagger {who}\n".encode()
            yield _data(f"{commit.tag}\n")


def _changes(commit: Commit) -> Iterator[bytes]:
    for name in commit.remove:
        yield f"D {name}\n".encode()
    for name, text in commit.write.items():
        yield f"M 100644 inline {name}\n".encode()
        yield _data(text)


def _data(text: str) -> bytes:
    body = text.encode()
    return b"data %d\n%s\n" % (len(body), body)
