"""Figures of the benchmarks as a table. Called by `labs.commands.bench`."""

from __future__ import annotations

from collections.abc import Sequence

from labs.bench.figures import Figure
from labs.render.table import table
from labs.render.terminal import Terminal


def figures(terminal: Terminal, measured: Sequence[Figure]) -> str:
    """Return a row per figure: median, spread, limit, whether it was met."""
    verdicts = {True: "✓ met", False: "✗ missed", None: ""}
    rows = [
        [
            figure.name,
            _number(figure.median, figure.unit),
            f"{_number(min(figure.values), '')}–{_number(max(figure.values), figure.unit)}",
            "" if figure.limit is None else f"≤ {_number(figure.limit, figure.unit)}",
            verdicts[figure.met],
        ]
        for figure in measured
    ]
    lines = [table(terminal, ["figure", "median", "range", "limit", ""], rows, right=(1, 2, 3), give=0)]
    notes = [figure for figure in measured if figure.note]
    lines += [terminal.block(f"{figure.name}: {figure.note}", indent="  ") for figure in notes]
    return "\n".join(lines)


def _number(value: float, unit: str) -> str:
    text = f"{value:.2f}" if value < 100 else f"{value:.0f}"  # noqa: PLR2004 - two digits say enough above a hundred
    return f"{text} {unit}".rstrip()
