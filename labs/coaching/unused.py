"""What is right in the learner's files and has not reached the place that counts: the cluster, a release, a commit.

`coach.py` calls `unused`. As in `nearmiss.py`, a rule says nothing unless it is sure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grader.cluster import Cluster
from grader.errors import GraderError
from grader.model import Check, Outcome, Report
from grader.text import clean
from labs.attempts import workspace
from labs.coaching.nearmiss import Manifest, View
from labs.course.models import Scenario
from labs.inject import files

LARGEST_FILE = 256 * 1024  # bytes of a file that is read from the workspace


@dataclass(frozen=True, slots=True)
class Mine:
    """What the rules look at.

    Attributes:
        scenario: The task.
        report: What was just found; failed.
        folder: The learner's files.
        view: The task's faults, the objects as they are, and what the learner wrote.
        shipped: Objects in the files as the task began, by file.
        logged: Whether every write is known.
    """

    scenario: Scenario
    report: Report
    folder: Path
    view: View
    shipped: list[Manifest]
    logged: bool

    def failed(self) -> Iterator[Check]:
        """Yield the checks that failed."""
        bad = {verdict.id for verdict in self.report.checks if verdict.outcome is Outcome.FAILED}
        yield from (check for check in self.scenario.file.checks if check.id in bad)

    def text(self, name: str) -> str:
        """Return a file's text; nothing for one that is not there, is a link, or is too large."""
        path = self.folder / name
        try:
            if path.is_symlink() or path.stat().st_size > LARGEST_FILE or not self._inside(path):
                return ""
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def _inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self.folder.resolve())


def unused(mine: Mine, cluster: Cluster) -> list[str]:
    """Return in words what the learner's files have and nothing else has."""
    found = [*_not_applied(mine), *_not_released(mine), *_not_committed(mine, cluster)]
    return list(dict.fromkeys(clean(words, 400) for words in found))


def _not_applied(mine: Mine) -> Iterator[str]:
    """A manifest was mended, and the object that runs is as it was."""
    written = mine.view.written("create", "patch", "update")
    for named in dict.fromkeys(fault.object for fault in mine.view.faults):
        if named in written:
            continue
        for fault in mine.view.holding(named):
            before = {m.where for m in mine.shipped if m.keeps(fault)}
            after = {m.where for m in mine.view.manifests if m.describes(fault) and not m.keeps(fault)}
            if mended := sorted(before & after):
                yield (
                    f"{mended[0]} is changed in `{fault.path}`, but the running {named} is as it was: "
                    "nothing has applied the file"
                )


def _not_released(mine: Mine) -> Iterator[str]:
    """A chart was changed, and no revision was made since."""
    releases = [check.helm.release for check in mine.failed() if check.helm]
    if not releases or not mine.logged:
        return
    changed = workspace.differs(mine.scenario.folder / "workspace", mine.folder, files.broken(mine.scenario))
    charts = {
        path.parent.relative_to(mine.folder) for path in mine.folder.rglob("Chart.yaml") if ".git" not in path.parts
    }
    of_charts = [
        name for name in changed if any(PurePosixPath(name).is_relative_to(c) for c in charts) or _is_values(name)
    ]
    for release in dict.fromkeys(releases) if of_charts else ():
        if not any(n.name.startswith(f"sh.helm.release.v1.{release}.") for n in mine.view.written("create")):
            yield f"you changed {of_charts[0]}, and the release `{release}` was not upgraded since: it does not have it"


def _is_values(name: str) -> bool:
    return re.fullmatch(r"values[\w.-]*\.ya?ml", PurePosixPath(name).name) is not None


def _not_committed(mine: Mine, cluster: Cluster) -> Iterator[str]:
    """A file says what a check looks for in the newest commit, and is not committed."""
    for wanted in (check.git for check in mine.failed() if check.git):
        if not wanted.file or not wanted.matches or ":" in wanted.file:
            continue
        try:
            state = cluster.repository(wanted.folder, wanted.file, "")
        except GraderError:
            continue
        name = (PurePosixPath(wanted.folder) / wanted.file).as_posix()
        here = re.search(wanted.matches, mine.text(name), re.MULTILINE)
        there = re.search(wanted.matches, state.text or "", re.MULTILINE)
        if here and not there and wanted.file in state.dirty:
            yield f"{name} is changed and not committed: what counts is the newest commit, which has it as it was"
