"""A series as one line of text: how it moved, and between which bounds. Used by `grader.checks.metric`."""

from __future__ import annotations

import math
from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_GAP = "·"
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def sparkline(values: Sequence[float | None]) -> str:
    """Return a bar for each value, a dot for each that is missing, and the bounds: `··▁▁▃█ 0 to 1.5M`.

    Args:
        values: In the order of time; what is before the first known one is left out.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return "no value"
    low, high = min(known), max(known)
    begin = next(i for i, value in enumerate(values) if value is not None and math.isfinite(value))
    bars = "".join(_bar(value, low, high) for value in values[begin:])
    return f"{bars} {figure(low)}" if low == high else f"{bars} {figure(low)} to {figure(high)}"


def _bar(value: float | None, low: float, high: float) -> str:
    if value is None or not math.isfinite(value):
        return _GAP
    share = (value - low) / (high - low) if high > low else 0.0
    return _BLOCKS[min(int(share * len(_BLOCKS)), len(_BLOCKS) - 1)]


def figure(value: float) -> str:
    """Return a number as a person reads it at a glance: `1.5M`, `0.25`."""
    for size, unit in _UNITS:
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
