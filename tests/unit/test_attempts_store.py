"""The store keeps what it was told, through kills, several writers, a full disk and damage; and says what is wrong."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grader.capabilities import Capabilities
from grader.model import Report, Verdict
from labs.attempts.history import Stage, open_story, stories
from labs.attempts.service import Progress, Tasks
from labs.attempts.store import Store
from labs.course.models import Course
from labs.errors import ClusterError, DataError, MachineError, UsageError
from labs.providers.base import ClusterHandle
from tests.unit.course_sample import write_course

WRITER = """
import sys
from pathlib import Path
from labs.attempts.store import Store
store = Store(Path(sys.argv[1]))
number = 0
while True:
    store.append("c", "s", "a", "hint", {"level": str(number)})
    print(number, flush=True)
    number += 1
"""


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def test_events_come_back_in_order_and_bulky_data_only_when_asked_for(tmp_path: Path) -> None:
    store = Store(tmp_path / "deep" / "a.db")
    store.append("c1", "s1", "a1", "begin", {"big": 1})
    store.append("c1", "s2", "a2", "begin")
    store.append("c1", "s1", "a1", "hint", {"level": "field"})
    assert [(e.kind, e.data) for e in store.events("c1", "s1")] == [("begin", {}), ("hint", {"level": "field"})]
    found = store.latest("a1", ("begin", "ready"))
    assert found is not None
    assert found.data == {"big": 1}
    assert store.latest("a1", ("ready",)) is None


def test_the_file_is_private_and_append_only(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    Store(path).append("c", "s", "a", "begin")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    db = sqlite3.connect(path)
    for change in ("DELETE FROM events", "UPDATE events SET kind = 'ready'"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(change)
    db.close()


def test_what_was_appended_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            told = [writer.stdout.readline() for _ in range(5)]
            os.kill(writer.pid, signal.SIGKILL)
            told += writer.stdout.readlines()
        kept = [e.data["level"] for e in Store(path).events()]
        run = len(kept) - kept[::-1].index("0") - 1
        assert kept[run:][: len(told)] == [line.strip() for line in told]


def test_several_writers_do_not_lose_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    code = WRITER.replace("while True", "while number < 20")
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(Store(path).events()) == 60


def test_a_damaged_file_is_said_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(DataError) as raised:
        Store(path).events()
    assert raised.value.where == str(path)
    assert f"mv {path}" in raised.value.hint


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(DataError, match="version 99"):
        Store(path).append("c", "s", "a", "begin")


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError) as raised:
        Store(tmp_path / "file" / "a.db").append("c", "s", "a", "begin")
    assert "LABS_STATE" in raised.value.hint


def test_a_full_disk_is_said_and_costs_nothing_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    Store(path).append("c", "s", "a", "begin")

    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    code = (
        "import sys\nfrom pathlib import Path\nfrom labs.attempts.store import Store\n"
        "from labs.errors import MachineError\n"
        "try:\n    Store(Path(sys.argv[1])).append('c', 's', 'a', 'ready', {'big': 'x' * 500_000})\n"
        "except MachineError as error:\n    print(error.hint)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=small,
    )
    assert "free some space" in done.stdout
    assert [e.kind for e in Store(path).events()] == ["begin"]


# --- what the events say ---------------------------------------------------------------------------------------------


def report(*, passed: bool) -> Report:
    verdict = Verdict(id="v", kind="cel", about="It works", points=1, outcome="passed" if passed else "failed")
    return Report(scenario="no-answer", checks=[verdict], points=int(passed), possible=1, passed=passed)


def play(store: Store, clock: Clock, attempt: str, *events: tuple[str, dict[str, object] | None]) -> None:
    for kind, data in events:
        store.append("c", "no-answer", attempt, kind, data)
        clock.move(10)


def test_an_attempt_is_where_its_last_step_left_it(tmp_path: Path) -> None:
    clock = Clock()
    store = Store(tmp_path / "a.db", clock=clock)
    expected = [
        ("begin", Stage.BEGINNING),
        ("ready", Stage.RUNNING),
        ("hint", Stage.RUNNING),
        ("resetting", Stage.RESETTING),
        ("reset", Stage.RUNNING),
        ("stopping", Stage.STOPPING),
    ]
    for kind, stage in expected:
        play(store, clock, "a", (kind, {"level": "concept"}))
        story = open_story(store.events())
        assert story is not None
        assert story.stage is stage
    play(store, clock, "a", ("stopped", None))
    assert open_story(store.events()) is None


def test_the_clock_goes_on_through_a_reset_and_ends_with_the_first_pass(tmp_path: Path) -> None:
    clock = Clock()
    store = Store(tmp_path / "a.db", clock=clock)
    fails, passes = report(passed=False).model_dump(mode="json"), report(passed=True).model_dump(mode="json")
    play(store, clock, "a", ("begin", None), ("ready", None), ("check", fails), ("resetting", None), ("reset", None))
    play(store, clock, "a", ("check", passes), ("check", fails))
    story = stories(store.events())["a"]
    assert story.seconds == 40
    assert story.last is not None
    assert not story.last.passed


def test_progress_counts_passes_before_the_solution_was_seen(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "a.db"
    store = Store(path, clock=clock)
    passes = report(passed=True).model_dump(mode="json")
    tasks = Tasks(None, course=Course(chapters=()), store=path)
    play(store, clock, "shown", ("begin", None), ("ready", None), ("solution", None), ("check", passes))
    assert tasks.progress() == {"no-answer": Progress(1, solved=False, best_seconds=None)}
    play(store, clock, "slow", ("begin", None), ("ready", None), ("fix", {"id": "x"}), ("check", passes))
    play(store, clock, "fast", ("begin", None), ("ready", None), ("check", passes), ("solution", None))
    play(store, clock, "cut off", ("begin", None))
    assert tasks.progress() == {"no-answer": Progress(3, solved=True, best_seconds=10)}


# --- a service without a cluster -------------------------------------------------------------------------------------


def test_what_ran_on_a_cluster_that_was_thrown_away_runs_no_more(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "a.db"
    store = Store(path, clock=clock)
    for cluster, scenario in (("c", "ended"), ("c", "running"), ("c", "cut-off"), ("other", "running")):
        store.append(cluster, scenario, f"{cluster}-{scenario}", "begin")
        if scenario != "cut-off":
            store.append(cluster, scenario, f"{cluster}-{scenario}", "ready")
    store.append("c", "ended", "c-ended", "stopped")
    clock.move(60)
    back = ClusterHandle("c", "engine", "c", tmp_path / "kubeconfig", Capabilities(), since=clock.now)
    clock.move(60)
    store.append("c", "new", "c-new", "begin")
    before = len(store.events())
    Tasks(replace(back, since=None), store=path, clock=clock)  # one whose state has an id of its own
    assert len(store.events()) == before
    for _ in range(2):  # the second time there is nothing left to end
        Tasks(back, store=path, clock=clock)
        added = store.events()[before:]
        assert [(e.attempt, e.kind) for e in added] == [("c-running", "stopped"), ("c-cut-off", "stopped")]
    assert open_story(store.events("c", "running")) is None
    assert open_story(store.events("c", "new")) is not None
    assert open_story(store.events("other", "running")) is not None


def test_without_a_cluster_one_can_read_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABS_SCENARIOS", str(write_course(tmp_path / "course")))
    tasks = Tasks(None, store=tmp_path / "a.db")
    assert tasks.solution("no-answer").id == "solution"
    assert tasks.current("no-answer") is None
    assert (tasks.running(), tasks.progress(), tasks.lacking("no-answer")) == ([], {}, [])
    for call in (tasks.start, tasks.check, tasks.hint, tasks.reset, tasks.stop):
        with pytest.raises(ClusterError) as raised:
            call("no-answer")
        assert "labs up" in raised.value.hint


def test_an_unknown_task_names_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABS_SCENARIOS", str(write_course(tmp_path / "course")))
    with pytest.raises(UsageError) as raised:
        Tasks(None, store=tmp_path / "a.db").scenario("no-anwser")
    assert "no-answer" in raised.value.hint
