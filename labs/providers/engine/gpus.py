"""The simulated GPUs of a node: the file that says how they are, and who offers them to its kubelet.

The program is `gpu_plugin.py`. `node.py` writes the file and starts it; the provider breaks a GPU and mends it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from labs.errors import UsageError
from labs.providers.engine.layout import INSIDE, Layout
from labs.providers.engine.plan import write_private

if TYPE_CHECKING:
    from labs.providers.engine.record import Record

PROCESS = "gpu-plugin"
FILE = "gpus.json"
PLUGINS = "/var/lib/kubelet/device-plugins"
TAKEN = "gpus.taken"  # a socket that accepts once the kubelet knows the GPUs
_PROGRAM = Path(__file__).with_name("gpu_plugin.py")


def command() -> tuple[str, ...]:
    """Return what runs in the node."""
    return (sys.executable, "-I", str(_PROGRAM), PLUGINS, str(INSIDE / FILE))


def configure(folder: Path, count: int) -> None:
    """Give a node its GPUs, all of them whole.

    Args:
        folder: The node's.
        count: How many.
    """
    write_private(folder / FILE, json.dumps({"count": count, "lost": []}))


def set_lost(layout: Layout, record: Record, node: str, lost: list[int]) -> None:
    """Say which GPUs of a node are broken; its kubelet hears of it within a second, the API server within five.

    Raises:
        UsageError: The node has no simulated GPUs.
    """
    path = layout.node(node) / FILE
    if not path.is_file():
        hint = "labs up --profile two-cpu-one-gpu"
        raise UsageError(f"node {node!r} of cluster {record.name!r} has no simulated GPUs", hint=hint)
    known = json.loads(path.read_text())
    write_private(path, json.dumps({"count": known["count"], "lost": lost}))
