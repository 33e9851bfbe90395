"""A measured number with its limit. Made by the benchmarks, rendered by `labs.commands.bench`, written as JSON."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One number, taken several times.

    Attributes:
        name: What was measured.
        unit: `s` or `MB`.
        values: Every measurement, in order.
        limit: What it has to stay below, or None.
        note: Where the time goes, or how it was measured.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    limit: float | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median is within the limit; None without one."""
        return None if self.limit is None else self.median <= self.limit

    def to_json(self) -> dict[str, Any]:
        """Return it with median and verdict worked out."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": round(self.median, 3),
            "limit": self.limit,
            "met": self.met,
            "values": [round(value, 3) for value in self.values],
            "note": self.note,
        }
