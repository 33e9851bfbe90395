"""What the benchmarks make of their measurements: percentiles, limits, ratios, the table and the page."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from labs.bench import page
from labs.bench.engine import Stopwatch
from labs.bench.figures import Figure, Measured, percentile
from labs.bench.yardstick import Yardstick
from labs.errors import ClusterError
from labs.events import State, Step, silent
from labs.render.bench import figures
from labs.render.terminal import Terminal

REFERENCE = Figure("kubectl get --raw /readyz", "s", (0.1, 0.1, 0.4))
STARTS = Figure("start of a task", "s", (*[1.0] * 19, 9.0), 3.0, "longest: slow-leak 9.0 s", judged="p95")
MEMORY = Figure("idle memory", "MB", (900.0, 1000.0, 1200.0), 900.0)
MEASURED = Measured((STARTS, MEMORY), REFERENCE)


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [([5.0], 0.95, 5.0), ([1.0, 2.0], 0.95, 2.0), ([2.0, 1.0, 3.0], 0.5, 2.0), (list(range(1, 101)), 0.95, 95)],
)
def test_a_percentile_is_a_value_that_was_measured(values: list[float], share: float, found: float) -> None:
    assert percentile(values, share) == found


def test_a_limit_holds_for_the_percentile_it_names() -> None:
    assert STARTS.met is True  # one of twenty may be longer
    assert Figure("x", "s", (*[1.0] * 18, 9.0, 9.0), 3.0, judged="p95").met is False
    assert Figure("x", "s", (*[1.0] * 18, 9.0, 9.0), 3.0).met is True
    assert Figure("x", "s", (9.0,)).met is None
    assert MEMORY.met is False
    assert not MEASURED.met


def test_times_have_a_ratio_to_the_reference_and_memory_has_none() -> None:
    told = MEASURED.to_json()
    assert [figure["ratio"] for figure in told["figures"]] == [10.0, None]
    assert told["reference"]["median"] == 0.1
    assert (told["figures"][0]["p95"], told["figures"][0]["judged"]) == (1.0, "p95")


def test_the_table_shows_limit_ratio_and_where_the_time_goes() -> None:
    shown = figures(Terminal(io.StringIO(), width=120), MEASURED)
    (row,) = [line for line in shown.splitlines() if line.startswith("start of a task ")]
    assert row.split()[4:] == ["1.00", "s", "1.00", "s", "p95", "≤", "3.00", "s", "10.0×", "✓", "met"]
    assert "✗ missed" in shown
    assert "longest: slow-leak 9.0 s" in shown
    assert "to `kubectl get --raw /readyz`, which took 0.10 s" in shown


def test_the_page_and_its_data_say_the_same(tmp_path: Path) -> None:
    written = page.write({"tasks": MEASURED}, tmp_path, now=datetime(2026, 3, 4, tzinfo=UTC))
    assert [path.name for path in written] == ["performance.json", "performance.md"]
    told, text = json.loads(written[0].read_text()), written[1].read_text()
    assert (told["day"], told["machine"]["cores"] > 0) == ("2026-03-04", True)
    assert told["tasks"] == MEASURED.to_json()
    assert "On 2026-03-04, " in text
    assert "| start of a task | 1.00 s | 1.00 s | p95 ≤ 3.00 s | met | 10.0 | 20 |" in text
    assert "| idle memory | 1000 MB | 1200 MB | median ≤ 900 MB | **missed** |  | 3 |" in text
    assert "- start of a task: longest: slow-leak 9.0 s" in text


def test_two_waits_are_told_apart() -> None:
    watch, up_to = Stopwatch(silent), "Waiting ≤ 20 s for"
    for what, seconds in (("2 nodes to be Ready", 2.0), ("CoreDNS to serve", 1.0)):
        watch.hear(Step("x", f"{up_to} {what}", State.DONE, seconds=seconds))
    assert watch.note == "Waiting for 2 nodes to be Ready 2.0 s; Waiting for CoreDNS to serve 1.0 s"


def test_no_reference_is_taken_on_a_cluster_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "kubectl"
    tool.write_text("#!/bin/sh\necho 'connection refused' >&2\nexit 1\n")
    tool.chmod(0o755)
    monkeypatch.setattr("labs.tools.kubectl", lambda: tool)
    with pytest.raises(ClusterError, match="connection refused"):
        Yardstick(tmp_path / "kubeconfig").take()
