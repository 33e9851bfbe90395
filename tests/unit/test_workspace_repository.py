"""The Git repository of a task: made the same each time, and every way in which a learner can leave it is told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from labs.attempts import repository
from labs.attempts.fixes import apply_fix
from labs.course.models import Fix, FixFile
from labs.course.repository import Repository
from labs.errors import ClusterError
from labs.events import silent
from labs.providers.base import Capabilities, ClusterHandle

WHO = "Ada Example <ada@lab.example>"
HISTORY = Repository.model_validate(
    {
        "folder": "scorer",
        "commits": [
            {"message": "Begin", "author": WHO, "date": "2026-03-02T09:00:00Z", "write": {"a/b.txt": "ä\n", "c": "1"}},
            {"message": "Try", "author": WHO, "date": "2026-03-03T09:00:00Z", "branch": "try/it", "write": {"d": "2"}},
            {"message": "Go on", "author": WHO, "date": "2026-03-04 09:00", "remove": ["c"], "tag": "v1"},
        ],
    }
)


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder / "scorer"), *words], check=True, capture_output=True, text=True)
    return done.stdout


def test_the_same_history_gives_the_same_ids(tmp_path: Path) -> None:
    for name in ("one", "two"):
        repository.make(HISTORY, tmp_path / name)
    told = git(tmp_path / "one", "log", "--all", "--format=%H %an %aI %D %s")
    assert told == git(tmp_path / "two", "log", "--all", "--format=%H %an %aI %D %s")
    assert "Ada Example 2026-03-04T09:00:00+00:00 HEAD -> main, tag: v1 Go on" in told
    assert git(tmp_path / "one", "ls-tree", "-r", "--name-only", "try/it").split() == ["a/b.txt", "c", "d"]
    assert sorted(p.name for p in (tmp_path / "one/scorer").rglob("*.txt")) == ["b.txt"]
    assert git(tmp_path / "one", "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["branch", "more"], "refs"),
        (["checkout", "-q", "try/it"], "head"),
        (["config", "core.editor", "nano"], "settings"),
        (["hash-object", "-w", ".git/HEAD"], "objects"),
        (["rm", "-q", "a/b.txt"], "files"),
    ],
)
def test_what_a_learner_did_is_told_and_made_undone(tmp_path: Path, words: list[str], what: str) -> None:
    repository.make(HISTORY, tmp_path)
    assert repository.differs(HISTORY, tmp_path) == []
    git(tmp_path, *words)
    assert repository.differs(HISTORY, tmp_path) == [f"scorer: {what}"]
    repository.make(HISTORY, tmp_path)
    assert repository.differs(HISTORY, tmp_path) == []


@pytest.mark.parametrize("name", ["../x", "/etc/x", ".git/config", "a/../b"])
def test_no_commit_writes_outside(name: str) -> None:
    commit = {"message": "x", "author": WHO, "date": "2026-03-02T09:00:00Z", "write": {name: ""}}
    with pytest.raises(ValidationError, match="no path inside the repository"):
        Repository.model_validate({"folder": "scorer", "commits": [commit]})


def test_a_fix_types_git_in_the_workspace(tmp_path: Path) -> None:
    repository.make(HISTORY, tmp_path)
    handle = ClusterHandle("x", "engine", "id", tmp_path / "kubeconfig", Capabilities())

    def fix(*words: str) -> None:
        steps = [{"say": "Do it.", "git": ["-C", "scorer", *words]}]
        file = FixFile.model_validate({"about": "x", "steps": steps})
        apply_fix(handle, tmp_path, Fix(id="solution", folder=tmp_path, file=file), answer=lambda _: None, emit=silent)

    fix("commit", "-q", "--allow-empty", "-m", "Mine")
    assert git(tmp_path, "log", "-1", "--format=%an %s").strip() == "On call Mine"
    with pytest.raises(ClusterError, match="absent"):
        fix("checkout", "absent")
