"""A measured number with its limit, and what one benchmark measured. Made by the benchmarks, shown by `labs.render`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

P95 = 0.95


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that so large a share (0–1) of all does not exceed: the nearest rank, no estimate."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number, taken several times.

    Attributes:
        name: What was measured.
        unit: `s` or `MB`.
        values: Every measurement, in order.
        limit: What it has to stay below, or None.
        note: Where the time goes, or how it was measured.
        judged: What the limit holds for: the median, or the 95th percentile.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    limit: float | None = None
    note: str = ""
    judged: Literal["median", "p95"] = "median"

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    @property
    def p95(self) -> float:
        """What 19 of 20 do not exceed."""
        return percentile(self.values, P95)

    @property
    def met(self) -> bool | None:
        """Whether the limit holds; None without one."""
        return None if self.limit is None else getattr(self, self.judged) <= self.limit

    def to_json(self) -> dict[str, Any]:
        """Return it with median, percentile and verdict worked out."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": round(self.median, 3),
            "p95": round(self.p95, 3),
            "limit": self.limit,
            "judged": self.judged,
            "met": self.met,
            "values": [round(value, 3) for value in self.values],
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Measured:
    """What one benchmark measured, and what the same machine took meanwhile for something everybody knows.

    Attributes:
        figures: The numbers.
        reference: The yardstick of `yardstick.py`, in seconds.
    """

    figures: tuple[Figure, ...]
    reference: Figure

    @property
    def met(self) -> bool:
        """Whether no limit is missed."""
        return all(figure.met is not False for figure in self.figures)

    def ratio(self, figure: Figure) -> float | None:
        """Return how many times the reference a figure takes; None for one that is no time."""
        return figure.median / self.reference.median if figure.unit == self.reference.unit else None

    def to_json(self) -> dict[str, Any]:
        """Return all of it; each time with its `ratio` to the reference."""
        figures = []
        for figure in self.figures:
            ratio = self.ratio(figure)
            figures.append({**figure.to_json(), "ratio": None if ratio is None else round(ratio, 2)})
        return {"reference": self.reference.to_json(), "figures": figures}
