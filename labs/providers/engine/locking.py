"""One command at a time works on a cluster. Called by the provider.

The lock is on the cluster's folder itself, so that no file of it outlives the cluster, and ends with its process.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from labs.errors import TakenError
from labs.events import Listener, Notice
from labs.providers.engine.layout import Layout

WAIT_SECONDS = 180
POLL_SECONDS = 0.1


@contextmanager
def cluster_lock(layout: Layout, emit: Listener) -> Iterator[None]:
    """Hold the cluster's lock.

    Raises:
        TakenError: Another command held it for longer than three minutes.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    told = False
    while True:
        layout.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(layout.root, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if layout.root.exists() and os.path.samestat(os.fstat(handle), layout.root.stat()):
                break
        except BlockingIOError:
            if not told:
                told = True
                emit(Notice(f"another command works on cluster {layout.name}", hint=f"waiting ≤ {WAIT_SECONDS} s"))
        os.close(handle)
        if time.monotonic() > deadline:
            raise TakenError(
                f"another command has worked on cluster {layout.name} for {WAIT_SECONDS} s", hint="run it again later"
            )
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        os.close(handle)
