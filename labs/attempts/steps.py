"""One named step with its events: running, then done or failed with the time it took.

For `seeding.py` and `labs.prove`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from labs.errors import LabsError
from labs.events import Listener, State, Step


@contextmanager
def step(emit: Listener, key: str, title: str, detail: str = "") -> Iterator[list[str]]:
    """Tell that a step runs, and how it ended; what the body puts into the yielded list becomes the detail."""
    said: list[str] = []
    begin = time.monotonic()
    emit(Step(key, title, State.RUNNING, detail))
    try:
        yield said
    except BaseException as error:
        reason = error.message if isinstance(error, LabsError) else type(error).__name__
        emit(Step(key, title, State.FAILED, reason, time.monotonic() - begin))
        raise
    emit(Step(key, title, State.DONE, "; ".join(said), time.monotonic() - begin))
