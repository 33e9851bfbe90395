"""Writes filled-in component configurations. Called by the node, the control plane and the bakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labs.providers.engine.plan import write_private
from labs.providers.templates import render


def render_to(path: Path, template: str, **values: Any) -> None:
    """Write a filled-in template to a private file."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, render(template, **values))
