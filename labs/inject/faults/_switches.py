"""The inference server's fault switches (`model_server/faults.py`), set by its environment; no fault of its own."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._target import set_env


def set_switch(container: Json, name: str, value: float) -> None:
    """Enable the switches and set one, in place."""
    set_env(container, "ENABLE_FAULTS", "1")
    set_env(container, name, f"{value:g}")
