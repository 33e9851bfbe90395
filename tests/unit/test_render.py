"""What a person reads: reports, progress and errors at 80 columns, in a terminal and in a log."""

from __future__ import annotations

import errno
import io
import json
import time

import pytest

from grader.model import GuardVerdict, Outcome, Report, Verdict
from labs.errors import DataError
from labs.events import Notice, Progress, State, Step
from labs.render.errors import error
from labs.render.progress import JsonLines, Lines
from labs.render.report import report
from labs.render.table import table
from labs.render.terminal import Terminal, clean, duration, shorten, size


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def verdict(outcome: Outcome, **more: object) -> Verdict:
    values = {"id": "answers", "kind": "http", "about": "The embedder answers its readiness path", "points": 3}
    return Verdict.model_validate({**values, "outcome": outcome, **more})


def failed_report() -> Report:
    return Report(
        scenario="first-pod",
        checks=[
            verdict(Outcome.PASSED, about="The pod runs", points=2),
            verdict(
                Outcome.FAILED,
                observed="503 Service Unavailable",
                expected="200",
                why="Kubernetes sends traffic only to ready pods: a probe on the wrong port hides a healthy server.",
                mismatches=["spec.ports[0].targetPort: observed 8080, expected 8000"],
            ),
            verdict(Outcome.UNKNOWN, observed="the API server did not answer", points=1),
            verdict(Outcome.NOT_APPLICABLE, observed="needs metrics", points=1),
        ],
        points=2,
        possible=5,
        seconds=0.42,
    )


def test_a_report_says_observed_expected_and_why_under_what_failed_and_fits_80_columns() -> None:
    text = report(Terminal(io.StringIO()), failed_report())
    assert max(map(len, text.splitlines())) <= 80
    assert text.splitlines()[:5] == [
        "✓ passed     2/2  The pod runs",
        "✗ failed     0/3  The embedder answers its readiness path",
        "        observed  503 Service Unavailable",
        "        expected  200",
        "         differs  spec.ports[0].targetPort: observed 8080, expected 8000",
    ]
    assert "? unknown    –/1" in text
    assert "· n/a        –/1" in text
    assert "UNKNOWN  2 of 5 points, 1 of 4 checks" in text


def test_a_broken_guard_is_told_with_its_reason_and_the_task_counts_zero() -> None:
    result = failed_report().model_copy(
        update={
            "guards": [
                GuardVerdict(about="The taint stays", outcome=Outcome.FAILED, why="Removing it opens the pool to all")
            ],
            "points": 0,
        }
    )
    text = report(Terminal(io.StringIO()), result)
    assert "✗ broken   guard  The taint stays" in text
    assert "Removing it opens the pool to all" in text
    assert "FAILED  a guard was broken: the task counts zero" in text


def test_text_from_a_cluster_cannot_move_the_cursor_or_colour_the_screen() -> None:
    nasty = "\x1b[2Jspec.[/foo] \x1b]0;title\x07\rboom\x9b31m"
    assert clean(nasty) == "spec.[/foo] boom31m"
    result = failed_report()
    result.checks[1].observed = nasty
    assert "\x1b" not in report(Terminal(io.StringIO()), result)


def test_colour_is_never_the_only_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    colored = report(Terminal.of(Tty()), failed_report())
    assert "\x1b[32m" in colored
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in report(Terminal.of(Tty()), failed_report())
    assert clean(colored) == report(Terminal(io.StringIO(), width=Terminal.of(Tty()).width), failed_report())


def test_a_log_gets_one_line_for_each_finished_step() -> None:
    stream = io.StringIO()
    with Lines(Terminal(stream)) as emit:
        emit(Step("a", "Starting etcd", State.RUNNING))
        emit(Step("a", "Starting etcd", State.DONE, "3.6.8", 0.31))
        emit(Step("b", "Building kubelet", State.RUNNING))
        emit(Progress("b", 5, 20, "seconds", 5, 20))
        emit(Progress("b", 16, 20, "seconds", 16, 20))
        emit(Step("b", "Building kubelet", State.FAILED, "no Go", 16.04))
        emit(Step("c", "Downloading", State.SKIPPED, "offline"))
        emit(Notice("the disk is nearly full", hint="df -h", warning=True))
    lines = stream.getvalue().splitlines()
    assert "\r" not in stream.getvalue()
    assert [line.split("  ")[0].strip() for line in lines] == [
        "✓ Starting etcd – 3.6.8",
        "… Building kubelet – 16 s of about 20 s",
        "✗ Building kubelet – no Go",
        "· Downloading – offline",
        "warning: the disk is nearly full",
        "hint: df -h",
    ]
    assert lines[0].endswith("0.3 s")


def test_a_terminal_sees_a_moving_line_that_leaves_nothing_behind() -> None:
    stream = Tty()
    with Lines(Terminal(stream, live=True)) as emit:
        emit(Step("b", "Building kubelet", State.RUNNING))
        emit(Progress("b", 30, 60, "seconds", 30, 60))
        deadline = time.monotonic() + 5
        while stream.getvalue().count("\r") < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        emit(Step("b", "Building kubelet", State.DONE, "", 60.0))
    text = stream.getvalue()
    assert "██████████░░░░░░░░░░ 30 s of about 1 min 00 s" in text
    assert text.splitlines()[-1].split("\x1b[2K")[-1].startswith("✓ Building kubelet")
    assert text.endswith("60.0 s\n")


class Gone(Tty):
    def write(self, text: str) -> int:
        raise OSError(errno.EIO, f"the terminal was closed: {text}")


def test_a_closed_terminal_does_not_stop_the_work() -> None:
    with Lines(Terminal(Gone(), live=True)) as emit:
        emit(Step("a", "Removing the task", State.RUNNING))
        emit(Step("a", "Removing the task", State.DONE))


def test_events_as_json_are_one_object_a_line() -> None:
    stream = io.StringIO()
    with JsonLines(stream) as emit:
        emit(Step("a", "Starting", State.RUNNING))
        emit(Notice("look", hint="there"))
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first == {"event": "step", "id": "a", "title": "Starting", "state": "running", "detail": "", "seconds": None}
    assert second["event"] == "notice"


def test_an_error_names_the_place_and_gives_the_mend_its_own_line() -> None:
    problem = DataError("unknown key `pionts`", where="scenarios/1-x/a/scenario.yaml:12", hint="did you mean `points`?")
    assert error(Terminal(io.StringIO()), problem).splitlines() == [
        "error: scenarios/1-x/a/scenario.yaml:12: unknown key `pionts`",
        "hint:  did you mean `points`?",
    ]


def test_a_table_gives_way_in_one_column_only() -> None:
    terminal = Terminal(io.StringIO(), width=40)
    text = table(
        terminal, ["scenario", "s"], [["a-very-long-scenario-name-that-does-not-fit", "1.0 s"]], right=(1,), give=0
    )
    assert [len(line) for line in text.splitlines()] == [40, 40]
    assert text.splitlines()[1].endswith("…  1.0 s")


def test_figures_for_people() -> None:
    assert [duration(0.42), duration(12.4), duration(185)] == ["0.4 s", "12 s", "3 min 05 s"]
    assert [size(812), size(52_000_000), size(1_100_000_000)] == ["812 B", "52 MB", "1.10 GB"]
    assert shorten("a\nb   c", 4) == "a b…"
