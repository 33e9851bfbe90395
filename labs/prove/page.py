"""The report of `labs prove --all` as files: `docs/prove-report.md` for people, `docs/prove-report.json` for programs.

`labs.commands.authors` writes them. They name no path of the machine they were made on.
"""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labs import paths
from labs.bench.figures import Figure, Measured
from labs.prove.report import Proof, ProveReport

NAME = "prove-report"
SCENARIOS = 24
LIMIT = 900.0
"""Seconds that proving so many scenarios may take, on two CPUs."""


def write(
    report: ProveReport,
    folder: Path,
    *,
    seed: int,
    reference: Figure,
    now: datetime | None = None,
    cpus: int | None = None,
) -> list[Path]:
    """Write both files; return them.

    Args:
        report: Of the whole course.
        folder: Where to, normally `docs/` of a checkout.
        seed: Of the order, to repeat the run.
        reference: What the same machine took for something everybody knows (`labs.bench.yardstick`).
        now: When (UTC); default: now.
        cpus: How many CPUs the machine has; default: this one's.
    """
    cpus = cpus or os.cpu_count() or 1
    day = (now or datetime.now(UTC)).date().isoformat()
    pace = speed(report, reference)
    data = clean({"day": day, "seed": seed, "cpus": cpus, "speed": pace.to_json(), **report.to_json()})
    files = {
        folder / f"{NAME}.json": json.dumps(data, indent=1, ensure_ascii=False) + "\n",
        folder / f"{NAME}.md": clean(page(report, pace, day=day, seed=seed, cpus=cpus)),
    }
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    return list(files)


def speed(report: ProveReport, reference: Figure) -> Measured:
    """Return how long `SCENARIOS` scenarios take at the rate of a run."""
    tried = sum(not p.skipped for p in report.proofs)
    took = report.seconds * SCENARIOS / max(tried, 1)
    return Measured((Figure(f"{SCENARIOS} scenarios proved, at the rate of this run", "s", (took,), LIMIT),), reference)


def page(report: ProveReport, pace: Measured, *, day: str, seed: int, cpus: int) -> str:
    """Return the report as Markdown: a table of all scenarios, then what caught each wrong fix and each mutant."""
    proved = sum(p.proved for p in report.proofs)
    trials = sum(len(p.trials) for p in report.proofs)
    rounds = max((t.round for p in report.proofs for t in p.trials), default=1)
    lines = [
        "# What was proved",
        "",
        f"{proved} of {len(report.proofs)} scenarios, {trials} trials, {_minutes(report.seconds)}, on {day}.",
        f"Provider {report.provider}, GPU pool: {report.gpu}; seed {seed}, rounds: {rounds}.",
        f"{report.parallel} at once on {cpus} CPUs, those that must run alone after them.",
        _speed(pace),
        "Made by `labs prove --all`.",
        "",
        "| scenario | | trials | wrong fixes | steps left out | start | check | reset | all |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
        *(_row(proof) for proof in report.proofs),
        "",
        "Times are the longest of their kind in seconds; `all` is the sum.",
    ]
    for proof in report.proofs:
        lines += ["", f"## {proof.scenario}", "", *_details(proof)]
    return "\n".join(lines) + "\n"


def _speed(pace: Measured) -> str:
    figure = pace.figures[0]
    held = "met" if figure.met else "**missed**"
    took, limit = _minutes(figure.median), _minutes(LIMIT)
    once = pace.reference.median
    times = f"{figure.median / once:.0f} × one `kubectl get --raw /readyz` ({once:.2f} s before it)"
    return f"{figure.name}: {took}; limit on 2 CPUs {limit}, {held}; {times}."


def _row(proof: Proof) -> str:
    if proof.skipped:
        return f"| {proof.scenario} | not applicable: {proof.skipped} | | | | | | | |"
    kinds = [t.id.split()[0] for t in proof.trials if t.round == 1]
    times = [f"{proof.seconds.get(kind, 0.0):.1f}" for kind in ("start", "check", "reset")]
    verdict = "proved" if proof.proved else "**not proved**"
    counts = [str(len(proof.trials)), str(kinds.count("wrong")), str(kinds.count("without"))]
    return f"| {' | '.join([proof.scenario, verdict, *counts, *times, f'{proof.total:.0f}'])} |"


def _details(proof: Proof) -> list[str]:
    if proof.skipped:
        return [f"Not applicable on this cluster: {proof.skipped}."]
    told = [t for t in proof.trials if not t.ok or t.id.split()[0] in {"untouched", "solution", "wrong", "without"}]
    return [f"- {'✓' if t.ok else '✗'} {t.id}: {t.detail}" for t in told]


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"


def clean(value: Any) -> Any:
    """Return text, or JSON with its texts, without paths of this machine."""
    if isinstance(value, dict):
        return {key: clean(child) for key, child in value.items()}
    if isinstance(value, list):
        return [clean(child) for child in value]
    if not isinstance(value, str):
        return value
    for folder, name in ((paths.state_dir(), "STATE"), (paths.cache_dir(), "CACHE"), (Path.home(), "~")):
        value = value.replace(str(folder), name)
    return re.sub(re.escape(str(paths.data_root())) + r"/?", "", value)
