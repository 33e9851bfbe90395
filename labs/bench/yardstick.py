"""The reference of the benchmarks: one `kubectl get --raw /readyz`, in the same run and on the same cluster.

A process starts, reads its kubeconfig, shakes hands, and the API server answers. Whoever works with Kubernetes knows
how long that feels, and a machine that is twice as slow takes twice as long for it too. Called by the benchmarks.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from labs import tools
from labs.bench.figures import Figure
from labs.errors import ClusterError

SECONDS = 30.0


class Yardstick:
    """Takes the reference again and again, between the measurements.

    Args:
        kubeconfig: The cluster's.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self._argv = [str(tools.kubectl()), f"--kubeconfig={kubeconfig}", "get", "--raw", "/readyz"]
        self._taken: list[float] = []

    def take(self) -> None:
        """Take the reference once.

        Raises:
            ClusterError: The API server does not say that it is ready.
        """
        began = time.monotonic()
        try:
            done = subprocess.run(self._argv, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise ClusterError(f"no answer within {SECONDS:.0f} s", hint="labs status", where="/readyz") from None
        self._taken.append(time.monotonic() - began)
        if done.returncode:
            raise ClusterError(
                done.stderr.strip() or "the API server is not ready", hint="labs status", where="/readyz"
            )

    def figure(self) -> Figure:
        """Return what was taken; at least once."""
        return Figure("kubectl get --raw /readyz", "s", tuple(self._taken), note="the reference")
