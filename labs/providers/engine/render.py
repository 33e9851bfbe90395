"""Fills the component configurations under `cluster-config/` in. Called by the node, the registries and the add-ons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from labs import paths
from labs.providers.engine.plan import write_private


def render(template: str, **values: Any) -> str:
    """Return a template below `cluster-config/` with its values filled in.

    Args:
        template: Path below `cluster-config/`.
        values: What it may name; naming anything else is an error, never an empty string.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(paths.cluster_config_dir()),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - YAML and TOML for our own components, no HTML
    )
    return environment.get_template(template).render(values)


def render_to(path: Path, template: str, **values: Any) -> None:
    """Write a filled-in template to a private file."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, render(template, **values))
