"""What the parts of one running server share: settings, models, and whether it is on its way out.

Made by `__main__`, handed to `infer`, `app` and `serve`. Behaviour lives in those.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model_server.config import Settings
    from model_server.faults import Faults
    from model_server.repository import Repository
    from model_server.traces import Tracer


@dataclass(slots=True)
class State:
    """The running server.

    Attributes:
        tracer: None when nothing is traced.
        draining_since: When the drain began, on the monotonic clock; None before.
        last_infer: When the last infer request came, on the monotonic clock.
        in_flight: Infer requests that have begun and not ended.
        unknown_requests: Infer requests for models that are not here; they have no labels of their own, since
            anybody could invent any number of them.
    """

    settings: Settings
    repository: Repository
    faults: Faults
    tracer: Tracer | None = None
    draining_since: float | None = None
    last_infer: float = field(default_factory=lambda: monotonic() - 3600)
    in_flight: int = 0
    unknown_requests: int = 0

    def problem(self) -> str | None:
        """Say why a request could fail now; None means ready."""
        if self.draining_since is not None:
            return "draining"
        return self.repository.problem()
