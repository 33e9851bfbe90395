"""`labs demo` as a newcomer runs it: a scenario fails untouched, fails with a wrong fix, passes with its solution."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from labs.attempts.service import Tasks
from labs.providers.base import ClusterHandle

pytestmark = pytest.mark.cluster


def labs(*argv: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "labs", *argv],
        env={**os.environ, "NO_COLOR": "1", "LABS_DRAFTS": "1"},  # a scenario that was changed today counts too
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def test_the_demo_shows_the_main_job_on_each_chapter_and_leaves_nothing(cluster: ClusterHandle) -> None:
    tasks = Tasks(cluster)
    said = labs("demo", "--cluster", cluster.name, seconds=1500)
    assert said.returncode == 0, said.stdout[-4000:] + said.stderr[-2000:]
    assert "Traceback" not in said.stdout + said.stderr
    shown = [tasks.scenario(chapter.showcase) for chapter in tasks.course.chapters]
    assert len(shown) == 6
    for scenario in shown:
        assert scenario.file.title in said.stdout
        assert f"$ labs scenarios start {scenario.id}" in said.stdout
        row = next(line for line in said.stdout.splitlines() if line.startswith(scenario.id) and "failed" in line)
        assert row.split()[-3:] == ["failed", "failed", "passed"]
    assert said.stdout.count("As it should: not repaired.") == 2 * len(shown)
    assert said.stdout.count("As it should: the repair holds.") == len(shown)
    assert "observed" in said.stdout
    assert "✓ all behaved" in said.stdout
    assert "The cluster keeps running." in said.stdout
    assert tasks.running() == []


def test_the_task_commands_tell_pass_from_fail_by_their_exit_code(cluster: ClusterHandle) -> None:
    name = Tasks(None).course.scenarios[0].id
    where = ("--cluster", cluster.name)
    try:
        assert labs("scenarios", "start", name, *where).returncode == 0
        failed = labs("scenarios", "check", name, "--settle", "2", *where)
        assert (failed.returncode, "observed" in failed.stdout) == (1, True)
        assert labs("scenarios", "solution", name, "--apply", *where, seconds=120).returncode == 0
        passed = labs("scenarios", "check", name, *where, seconds=90)
        assert (passed.returncode, "PASSED" in passed.stdout) == (0, True)
    finally:
        assert labs("scenarios", "stop", name, *where).returncode == 0
    assert labs("scenarios", "check", name, *where).returncode == 2
    assert labs("status", *where).returncode == 0
