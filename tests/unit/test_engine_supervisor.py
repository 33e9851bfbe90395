"""The supervisor with small programs of its own: order, restarts, one-time work, reload, bounded logs, death."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labs.providers.engine import supervisor
from labs.providers.engine.layout import Layout
from labs.providers.engine.plan import Probe, ProcessSpec, save_plan
from labs.providers.engine.processes import is_alive, marked, start_time, wait_gone
from labs.providers.engine.state import components, reload_plan, start_supervisor, supervisor_pid

SLEEP = ("sleep", "1000")


class Bench:
    """A cluster's folder with a real daemon on it."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def spec(self, name: str, *argv: str, **more: Any) -> ProcessSpec:
        return ProcessSpec(name, argv, str(self.layout.logs / f"{name}.log"), **more)

    def start(self, *specs: ProcessSpec) -> int:
        save_plan(self.layout.plan, list(specs))
        return start_supervisor(self.layout)

    def change(self, *specs: ProcessSpec) -> None:
        save_plan(self.layout.plan, list(specs))
        reload_plan(self.layout)

    def until(self, done: Callable[[dict[str, Any]], Any], seconds: float = 20) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            state = components(self.layout)
            if state and done(state):
                return state
            assert time.monotonic() < deadline, f"not in time: {json.dumps(state)}"
            time.sleep(0.02)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    layout = Layout("lab", tmp_path / "lab")
    layout.create()
    yield Bench(layout)
    pid = supervisor_pid(layout)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        assert wait_gone([pid]) == set()
    assert marked(layout.root) == set(), "the supervisor's children end with it"


def test_a_dependent_waits_until_the_other_serves(bench: Bench) -> None:
    socket = bench.layout.run / "late.sock"
    program = (
        f"import socket,time; time.sleep(.5); s=socket.socket(socket.AF_UNIX); s.bind({str(socket)!r}); s.listen()"
    )
    late = bench.spec("late", sys.executable, "-c", f"{program}; time.sleep(1000)", probe=Probe("unix", str(socket)))
    bench.start(late, bench.spec("next", *SLEEP, after=("late",)))
    early = bench.until(lambda s: s["late"]["pid"])
    assert early["next"]["pid"] is None
    bench.until(lambda s: s["late"]["ready"] and s["next"]["ready"])


def test_a_killed_child_is_started_again_and_its_last_words_are_kept(bench: Bench) -> None:
    bench.start(bench.spec("loud", "sh", "-c", "echo cannot bind; exec sleep 1000"))
    pid = bench.until(lambda s: s["loud"]["ready"] and (bench.layout.logs / "loud.log").read_text())["loud"]["pid"]
    os.kill(pid, signal.SIGKILL)
    again = bench.until(lambda s: s["loud"]["restarts"] == 1 and s["loud"]["ready"])["loud"]
    assert again["pid"] != pid
    assert again["detail"] == "was killed by signal 9: cannot bind"


def test_one_that_cannot_stay_up_is_tried_ever_more_rarely(bench: Bench) -> None:
    bench.start(bench.spec("broken", "sh", "-c", "exit 7"), bench.spec("absent", "/no/such/program"))
    state = bench.until(lambda s: s["broken"]["restarts"] >= 3 and s["absent"]["restarts"] >= 2)
    assert "ended with 7" in state["broken"]["detail"]
    assert "ended with 127" in state["absent"]["detail"]
    assert "No such file" in state["absent"]["detail"]
    assert not state["broken"]["ready"]


def test_work_done_once_is_not_done_again(bench: Bench) -> None:
    done = bench.layout.run / "done"
    work = bench.spec(
        "work", "sh", "-c", f"test -e {done}.1 || {{ touch {done}.1; exit 1; }}; echo x >> {done}", once=True
    )
    bench.start(work, bench.spec("next", *SLEEP, after=("work",)))
    bench.until(lambda s: s["next"]["ready"])
    assert done.read_text() == "x\n"


def test_the_plan_can_change_while_it_runs(bench: Bench) -> None:
    node = bench.spec("node", *SLEEP)
    bench.start(node)
    pid = bench.until(lambda s: s["node"]["ready"])["node"]["pid"]
    bench.change(dataclasses.replace(node, enabled=False), bench.spec("more", *SLEEP))
    state = bench.until(lambda s: s["node"]["pid"] is None and s.get("more", {}).get("ready"))
    assert start_time(pid) is None
    assert state["node"]["restarts"] == 0
    bench.change(node)
    state = bench.until(lambda s: s["node"]["ready"] and "more" not in s)
    assert state["node"]["pid"] != pid


def test_children_die_with_a_killed_supervisor(bench: Bench) -> None:
    pid = bench.start(bench.spec("orphan", *SLEEP))
    child = bench.until(lambda s: s["orphan"]["ready"])["orphan"]
    os.kill(pid, signal.SIGKILL)
    assert wait_gone([pid, child["pid"]]) == set()
    assert supervisor_pid(bench.layout) is None
    assert not is_alive(child["pid"], child["started"])


def test_a_plan_may_change_before_the_daemon_has_begun(bench: Bench) -> None:
    pid = bench.start(bench.spec("first", *SLEEP))
    bench.change(bench.spec("first", *SLEEP), bench.spec("second", *SLEEP))
    bench.until(lambda s: s.get("second", {}).get("ready"))
    assert supervisor_pid(bench.layout) == pid


def test_logs_stay_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOG_LIMIT", 1000)
    log = bench.layout.logs / "chatty.log"
    log.write_text("old\n" * 500 + "the end\n")
    child = supervisor.Child(bench.spec("chatty", *SLEEP))
    supervisor.bound_log(Path(child.spec.log))
    assert log.stat().st_size == 0
    kept = log.with_name("chatty.log.1").read_text()
    assert len(kept) == 500
    assert kept.endswith("the end\n")


def test_new_volumes_are_open_to_everybody(bench: Bench) -> None:
    bench.start(bench.spec("any", *SLEEP))
    bench.until(lambda s: s["any"]["ready"])
    volume = bench.layout.storage / "pvc"
    volume.mkdir(mode=0o750)
    deadline = time.monotonic() + 3
    while volume.stat().st_mode & 0o777 != 0o777:
        assert time.monotonic() < deadline
        time.sleep(0.01)
