"""Where things lie: the project's data, the caches and the state. Read anew on each call, never captured at import.

`LABS_STATE` and `LABS_CACHE` override the user's folders (tests and a second, separate lab use them).
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

APP = "kubernetes-ml-labs"


def data_root() -> Path:
    """Return the folder that holds `scenarios/` and `cluster-config/`: the checkout's root, or the wheel's data."""
    packaged = Path(__file__).parent / "_data"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent


def scenarios_dir() -> Path:
    """Return the folder of the course; `LABS_SCENARIOS` overrides it for authors and tests."""
    override = os.environ.get("LABS_SCENARIOS")
    return Path(override) if override else data_root() / "scenarios"


def cluster_config_dir() -> Path:
    """Return the folder of component configurations, images, profiles and add-ons."""
    return data_root() / "cluster-config"


def state_dir() -> Path:
    """Return the folder of everything that belongs to clusters and attempts, made private on first use."""
    override = os.environ.get("LABS_STATE")
    path = Path(override).absolute() if override else platformdirs.user_state_path(APP)
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def cache_dir() -> Path:
    """Return the folder of what can be fetched or built again: binaries, images, downloads."""
    override = os.environ.get("LABS_CACHE")
    path = Path(override).absolute() if override else platformdirs.user_cache_path(APP)
    path.mkdir(parents=True, exist_ok=True)
    return path


def clusters_dir() -> Path:
    """Return the folder with one private folder per cluster."""
    path = state_dir() / "clusters"
    path.mkdir(exist_ok=True, mode=0o700)
    return path
