"""`labs bench` as a script calls it: figures of a real task, with their ratio to a reference of the same run."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from labs.providers.base import ClusterHandle

pytestmark = pytest.mark.cluster

TASK = "hangs-on-connect"


def test_a_task_is_measured_beside_the_reference(cluster: ClusterHandle) -> None:
    words = ["bench", "tasks", TASK, "--runs", "2", "--json", "--cluster", cluster.name]
    done = subprocess.run(
        [sys.executable, "-m", "labs", *words],
        env={**os.environ, "LABS_DRAFTS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr  # 1: a limit is missed, which a busy machine may
    told = json.loads(done.stdout)
    assert told["machine"]["cores"] >= 1
    assert told["reference"]["median"] > 0
    assert len(told["reference"]["values"]) == 2
    wanted = [
        "start of a task",
        "reset of a task",
        "stop of a task",
        *(f"{TASK}: {w}" for w in ("start", "reset", "stop")),
    ]
    assert [figure["name"] for figure in told["figures"]] == wanted
    for figure in told["figures"]:
        assert len(figure["values"]) == 2
        assert figure["ratio"] == pytest.approx(figure["median"] / told["reference"]["median"], rel=0.05)
        if figure["limit"]:
            assert figure["met"] == (figure["p95"] <= figure["limit"])
    assert (done.returncode == 0) == all(figure["met"] is not False for figure in told["figures"])
