"""What `labs bench all` measured, as files: `docs/performance.md` for people, `docs/performance.json` for programs.

`labs.commands.bench` writes them. They name no path of the machine they were made on.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labs.bench.figures import Figure, Measured

NAME = "performance"
TITLES = {"engine": "The engine", "grade": "The grader", "tasks": "The tasks"}
_CPU = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


def machine() -> dict[str, Any]:
    """Return what the figures were taken on."""
    info = Path("/proc/cpuinfo")
    model = _CPU.search(info.read_text()) if info.is_file() else None
    return {
        "cores": os.cpu_count(),
        "cpu": model[1].strip() if model else platform.machine(),
        "system": platform.platform(terse=True),
    }


def data(measured: Mapping[str, Measured]) -> dict[str, Any]:
    """Return everything as JSON-able data."""
    return {"machine": machine(), **{name: found.to_json() for name, found in measured.items()}}


def write(measured: Mapping[str, Measured], folder: Path, *, now: datetime | None = None) -> list[Path]:
    """Write both files; return them.

    Args:
        measured: What each benchmark measured.
        folder: Where to, normally `docs/` of a checkout.
        now: When (UTC); default: now.
    """
    day = (now or datetime.now(UTC)).date().isoformat()
    told = {"day": day, **data(measured)}
    files = {
        folder / f"{NAME}.json": json.dumps(told, indent=1, ensure_ascii=False) + "\n",
        folder / f"{NAME}.md": page(measured, day=day, on=told["machine"]),
    }
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    return list(files)


def page(measured: Mapping[str, Measured], *, day: str, on: Mapping[str, Any]) -> str:
    """Return the figures as Markdown: a table for each benchmark, with where the time goes."""
    lines = [
        "# What was measured",
        "",
        f"On {day}, {on['cores']} CPUs ({on['cpu']}), {on['system']}. Made by `labs bench all`.",
        "`×`: the median as a multiple of one `kubectl get --raw /readyz`, taken in the same run between the figures;",
        "on a slower machine both grow.",
    ]
    for name, found in measured.items():
        reference = _number(found.reference.median, found.reference.unit)
        lines += ["", f"## {TITLES[name]}", "", f"The reference took {reference}.", ""]
        lines += ["| | median | p95 | limit | | × | taken |", "|---|---:|---:|---:|---|---:|---:|"]
        lines += [_row(found, figure) for figure in found.figures]
        notes = [f"- {figure.name}: {figure.note}" for figure in found.figures if figure.note]
        lines += ["", *notes] if notes else []
    return "\n".join(lines) + "\n"


def _row(found: Measured, figure: Figure) -> str:
    ratio = found.ratio(figure)
    limit = "" if figure.limit is None else f"{figure.judged} ≤ {_number(figure.limit, figure.unit)}"
    cells = [
        figure.name,
        _number(figure.median, figure.unit),
        _number(figure.p95, figure.unit),
        limit,
        {True: "met", False: "**missed**", None: ""}[figure.met],
        "" if ratio is None else f"{ratio:.1f}",
        str(len(figure.values)),
    ]
    return f"| {' | '.join(cells)} |"


def _number(value: float, unit: str) -> str:
    return f"{value:.2f} {unit}" if unit == "s" else f"{value:.0f} {unit}"
