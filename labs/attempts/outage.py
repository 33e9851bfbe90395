"""Nodes that a grading switches off, GPUs that it breaks: the switch, and what brings back what a killed process left.

Each is written down before it happens, in a file that the living process holds a lock on. So whoever finds
the file unlocked knows that nobody will undo it, and does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

from grader.errors import Unanswered
from labs import paths, providers
from labs.errors import LabsError, UsageError
from labs.events import Listener, Notice, silent
from labs.providers.base import ClusterHandle

_GPU = "/gpu"


class Power:
    """The switch of one cluster's nodes and GPUs, for one grading; a `grader.cluster.Machines`.

    Args:
        handle: The cluster.
    """

    def __init__(self, handle: ClusterHandle) -> None:
        self._handle = handle
        self._held: IO[str] | None = None

    def kill(self, node: str) -> None:
        """Switch a node off.

        Raises:
            Unanswered: This provider cannot, another grading has one switched off, or it did not work.
        """
        handle = self._handle
        if not handle.capabilities.node_power:
            hint = "grade on a cluster of the lab's own engine: labs up --provider engine"
            raise Unanswered(f"Node {node} cannot be switched off: its provider is {handle.provider}", hint=hint)
        self._break(node, node, lambda: providers.provider(handle.provider).kill_node(handle.name, node))

    def start(self, node: str) -> None:
        """Switch a node on again.

        Raises:
            Unanswered: It did not work; the next command on a task of this cluster, or `labs up`, tries again.
        """
        self._mend(node)

    def lose_gpu(self, node: str) -> None:
        """Break a GPU of a node; raises as `kill` does."""
        handle = self._handle
        if handle.capabilities.gpu != "simulated":
            hint = "labs up --provider engine --profile two-cpu-one-gpu"
            raise Unanswered(f"Node {node} has no simulated GPU that could be lost", hint=hint)
        gpu = f"{node}{_GPU}"
        self._break(node, gpu, lambda: providers.provider(handle.provider).lose_gpu(handle.name, node))

    def return_gpu(self, node: str) -> None:
        """Mend the GPUs of a node; raises as `start` does."""
        self._mend(f"{node}{_GPU}")

    def _break(self, node: str, word: str, act: Callable[[], None]) -> None:
        """Write down what is about to be broken, then break it."""
        held = _hold(_file(self._handle))
        if held is None:
            hint = "grade again when that has ended"
            raise Unanswered(f"another grading has a node of this cluster switched off, so {node} stays", hint=hint)
        self._held = held
        held.truncate(0)
        held.write(word)
        held.flush()
        os.fsync(held.fileno())
        try:
            act()
        except UsageError as error:
            self._done()  # there is no such node, so nothing was begun
            raise Unanswered(error.message, hint=error.hint) from None
        except LabsError as error:
            raise Unanswered(error.message, hint=error.hint) from None

    def _mend(self, word: str) -> None:
        if self._held is None:
            return
        try:
            _repair(self._handle, word)
        except LabsError as error:
            self._held.close()  # the file stays: it is for `mend` now
            self._held = None
            raise Unanswered(error.message, hint=error.hint or "labs up") from None
        self._done()

    def _done(self) -> None:
        """Forget what was written down, while it is still locked."""
        if self._held is not None:
            _file(self._handle).unlink(missing_ok=True)
            self._held.close()
            self._held = None


def mend(handle: ClusterHandle, emit: Listener = silent) -> list[str]:
    """Switch on what a grading that was killed has left off; return the nodes.

    Args:
        handle: The cluster.
        emit: Who is told.

    Raises:
        LabsError: A node cannot be switched on.
    """
    path = _file(handle)
    if not path.is_file():
        return []
    held = _hold(path)
    if held is None:
        return []  # a grading that lives is at it
    try:
        held.seek(0)
        broken = held.read().split()
        for node in broken:
            emit(Notice(f"A grading was cut off while {_said(node)}; that is mended now."))
            _repair(handle, node)
        path.unlink(missing_ok=True)
    finally:
        held.close()
    return [word.removesuffix(_GPU) for word in broken]


def _repair(handle: ClusterHandle, word: str) -> None:
    """Undo what a word in the file stands for: a node that is off, or, with `_GPU` behind it, a GPU that is broken."""
    provider = providers.provider(handle.provider)
    if word.endswith(_GPU):
        provider.return_gpu(handle.name, word.removesuffix(_GPU))
    else:
        provider.start_node(handle.name, word)


def _said(word: str) -> str:
    node = word.removesuffix(_GPU)
    return f"node {node} was off" if node == word else f"a GPU of node {node} was broken"


def _file(handle: ClusterHandle) -> Path:
    folder = paths.state_dir() / "locks"
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder / f"{handle.id}-nodes-off"


def _hold(path: Path) -> IO[str] | None:
    """Open a file, made where it is not there, and lock it; None where another process has it."""
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            import fcntl  # noqa: PLC0415 - Windows has none; there is no engine whose nodes could be switched off

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            return file
        except OSError:
            file.close()
            return None
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # its last holder has just removed it
