"""How the screens put things: symbols with their words, times, amounts. Pure functions, used by all widgets."""

from __future__ import annotations

from grader.model import Outcome
from labs.events import Progress, State
from labs.providers.base import ClusterStatus, Phase

# symbol, word, style – a reader who sees no colours loses nothing
OUTCOMES: dict[Outcome, tuple[str, str, str]] = {
    Outcome.PASSED: ("✓", "passed", "$text-success"),
    Outcome.FAILED: ("✗", "failed", "$text-error"),
    Outcome.NOT_APPLICABLE: ("–", "n/a", "$foreground 60%"),
    Outcome.UNKNOWN: ("?", "unknown", "$text-warning"),
}
NOT_GRADED = ("·", "open", "$foreground 60%")

STEPS: dict[State, tuple[str, str, str]] = {
    State.RUNNING: ("▸", "running", "$text-primary"),
    State.DONE: ("✓", "done", "$text-success"),
    State.FAILED: ("✗", "failed", "$text-error"),
    State.SKIPPED: ("–", "skipped", "$foreground 60%"),
}

ANSWERS: dict[bool | None, tuple[str, str, str]] = {
    True: ("✓", "right", "$text-success"),
    False: ("✗", "wrong", "$text-error"),
    None: ("·", "open", "$foreground 60%"),
}
CLOSE = ("≈", "close", "$text-warning")
CHANGED = ("·", "changed", "$foreground 60%")

FINDINGS: dict[bool | None, tuple[str, str, str]] = {
    True: ("✓", "ok", "$text-success"),
    False: ("✗", "not ok", "$text-error"),
    None: ("!", "worth knowing", "$text-warning"),
}

PHASES: dict[Phase, tuple[str, str, str]] = {
    Phase.ABSENT: ("○", "no cluster yet", "$foreground 60%"),
    Phase.STOPPED: ("○", "stopped", "$foreground 60%"),
    Phase.STARTING: ("▸", "starting", "$text-primary"),
    Phase.READY: ("●", "ready", "$text-success"),
    Phase.DEGRADED: ("▲", "degraded", "$text-warning"),
}

MUTED = "$foreground 60%"
_MINUTE = 60
_HOUR = 3600
_GB = 1_000_000_000
_SOON_GB = 950_000_000


def clock(seconds: float) -> str:
    """Return a duration as `4:05` or `1:04:05`."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, _HOUR)
    minutes, left = divmod(rest, _MINUTE)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def took(seconds: float) -> str:
    """Return how long something took: `0.8 s`, `12 s`, `3:05`."""
    if seconds < 10:  # noqa: PLR2004 - tenths say something only below ten seconds
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < _MINUTE else clock(seconds)


def amount(value: float, unit: str) -> str:
    """Return an amount with its unit; bytes in decimal MB and GB, as memory and downloads are sold."""
    if unit != "bytes":
        return f"{value:g} {unit}"
    return f"{value / _GB:.1f} GB" if value >= _SOON_GB else f"{value / 1_000_000:.0f} MB"


def standing(status: ClusterStatus) -> str:
    """Return what is worth saying about a cluster behind its phase: nodes and memory, or what is wrong."""
    if status.phase is Phase.DEGRADED:
        return status.detail
    if status.phase is not Phase.READY:
        return ""
    said = [f"{len(status.nodes)} {'node' if len(status.nodes) == 1 else 'nodes'}"]
    memory = sum(part.memory_bytes or 0 for part in status.components)
    return " · ".join([*said, amount(memory, "bytes")] if memory else said)


def share(progress: Progress) -> float | None:
    """Return how much of a step is done, 0–1, by amount or else by time; None where neither is known."""
    if progress.total:
        return min(1.0, progress.done / progress.total)
    if progress.expected:
        return min(0.99, progress.elapsed / progress.expected)
    return None


def bar(part: float, width: int) -> tuple[str, str]:
    """Return the filled and the empty piece of a bar that is `width` cells long."""
    filled = round(max(0.0, min(1.0, part)) * width)
    return "━" * filled, "─" * (width - filled)
