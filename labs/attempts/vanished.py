"""Attempts whose cluster was thrown away under them: by `labs down`, by `labs reset`, by whoever did not live to tell.

`service.Tasks` calls `forget` before anything else. A cluster that comes back from its bake is the same by its id, and
empty: without this its tasks would still run in the store, and nowhere else.
"""

from __future__ import annotations

from labs.attempts.store import Store
from labs.providers.base import ClusterHandle


def forget(store: Store, handle: ClusterHandle) -> None:
    """End the attempts that were begun before the cluster's state was put in place.

    Raises:
        DataError: The file of attempts is damaged.
        MachineError: It cannot be written.
    """
    if handle.since is None:
        return
    for scenario, attempt in store.open_before(handle.id, handle.since):
        store.append(handle.id, scenario, attempt, "stopped")
