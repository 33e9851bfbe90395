"""Kubernetes quantities by value: `500m` is `0.5`, `1Gi` is `1024Mi`. Used by `grader.compare`."""

from __future__ import annotations

import re
from decimal import Decimal

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E)|[eE]([+-]?\d{1,2}))?")
_SUFFIX = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{name: Decimal(1000) ** power for power, name in enumerate("kMGTPE", start=1)},
    **{f"{name}i": Decimal(1024) ** power for power, name in enumerate("KMGTPE", start=1)},
}
_LONGEST = 40


def parse(text: object) -> Decimal | None:
    """Return the value of a quantity, or None when it is not one."""
    if isinstance(text, bool) or not isinstance(text, (str, int, float)):
        return None
    word = str(text)
    found = _QUANTITY.fullmatch(word) if len(word) <= _LONGEST else None
    if found is None:
        return None
    number, suffix, exponent = found.groups()
    scale = _SUFFIX[suffix] if suffix else Decimal(10) ** int(exponent or 0)
    return Decimal(number) * scale
