"""Fills the templates below `cluster-config/` in. Called by every provider."""

from __future__ import annotations

from typing import Any

import jinja2

from labs import paths


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
