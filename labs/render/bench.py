"""Figures of the benchmarks as a table. Called by `labs.commands.bench`."""

from __future__ import annotations

from labs.bench.figures import Measured
from labs.render.table import table
from labs.render.terminal import Terminal


def figures(terminal: Terminal, measured: Measured) -> str:
    """Return a row per figure: median, 95th percentile, limit, multiple of the reference, whether the limit holds."""
    verdicts = {True: "✓ met", False: "✗ missed", None: ""}
    rows = []
    for figure in measured.figures:
        ratio = measured.ratio(figure)
        rows.append(
            [
                figure.name,
                _number(figure.median, figure.unit),
                _number(figure.p95, figure.unit),
                "" if figure.limit is None else f"{figure.judged} ≤ {_number(figure.limit, figure.unit)}",
                "" if ratio is None else f"{ratio:.1f}×",
                verdicts[figure.met],
            ]
        )
    head = ["figure", "median", "p95", "limit", "ratio", ""]
    lines = [table(terminal, head, rows, right=(1, 2, 3, 4), give=0)]
    notes = [figure for figure in measured.figures if figure.note]
    lines += [terminal.block(f"{figure.name}: {figure.note}", indent="  ") for figure in notes]
    reference = measured.reference
    took = _number(reference.median, reference.unit)
    lines.append(terminal.block(f"ratio: to `{reference.name}`, which took {took} in the same run", indent="  "))
    return "\n".join(lines)


def _number(value: float, unit: str) -> str:
    text = f"{value:.2f}" if value < 100 else f"{value:.0f}"  # noqa: PLR2004 - two digits say enough above a hundred
    return f"{text} {unit}".rstrip()
