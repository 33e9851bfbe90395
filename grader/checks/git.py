"""`git`: the repository in the learner's workspace."""

from __future__ import annotations

import re

from grader.cluster import Repository
from grader.errors import Refused
from grader.finding import Finding, Scene, given, verdict
from grader.model import Check, Git
from grader.snapshot import Question
from grader.text import clean, listed


def reads(_check: Check, _namespaces: tuple[str, ...]) -> list[Question]:
    """Return nothing: the workspace is asked."""
    return []


def look(check: Check, scene: Scene) -> Finding:
    """Compare the repository's state."""
    wanted = given(check, "git", check.git)
    try:
        found = scene.cluster.repository(wanted.folder, wanted.file, wanted.lacks)
    except Refused as refusal:
        words = clean(refusal.message)
        return verdict(passed=False, observed=words, expected=_expected(wanted), mismatches=[words])
    bad = _wrong(wanted, found)
    subject = clean(found.message.partition("\n")[0], 120) or "nothing committed yet"
    observed = f"branch {clean(found.branch, 120) or '(none)'}, newest commit: {subject}"
    return verdict(not bad, "\n".join([observed, *bad[:3]]), _expected(wanted), bad)


def _wrong(wanted: Git, found: Repository) -> list[str]:
    bad = []
    if wanted.branch not in {"", found.branch}:
        bad.append(f"branch: observed {clean(found.branch, 120) or '(none)'}, expected {wanted.branch}")
    if wanted.clean and found.dirty:
        bad.append(f"not committed: {listed(found.dirty)}")
    if wanted.file and found.text is None:
        # BRANCH:PATH is not of the newest commit.
        bad.append(f"{'there is' if ':' in wanted.file else 'the newest commit has'} no file {wanted.file}")
    elif wanted.matches and not re.search(wanted.matches, _text(wanted, found), re.MULTILINE):
        where = wanted.file or "the newest commit's message"
        bad.append(f"{where} has nothing like /{clean(wanted.matches, 120)}/")
    # The text itself is not repeated: it is a secret as a rule.
    bad += [f"still there: {place}" for place in found.found[:5]]
    if wanted.purged and found.left:
        words = f"{len(found.left)} objects that no branch, tag or stash keeps still hold it, until Git cleans up"
        bad.append(f"{words}: {listed(found.left, most=3)}")
    return bad


def _text(wanted: Git, found: Repository) -> str:
    return (found.text or "") if wanted.file else found.message


def _expected(wanted: Git) -> str:
    parts = [f"branch {wanted.branch}"] if wanted.branch else []
    parts += ["nothing left to commit"] if wanted.clean else []
    parts += [f"{wanted.file} in the newest commit"] if wanted.file and not wanted.matches else []
    parts += [f"{wanted.file or 'the message'} has /{clean(wanted.matches, 120)}/"] if wanted.matches else []
    parts += ["a history without the text that must go"] if wanted.lacks else []
    parts += ["nor the repository's store of objects"] if wanted.lacks and wanted.purged else []
    return ", ".join(parts) or "a Git repository"
