"""The one background process of a cluster: starts the components, starts them again when they die, tells how they are.

Started detached by `provider.py` as `python -m labs.providers.engine.supervisor <folder>`. It reads `plan.json`, writes
`state.json`, and knows nothing of Kubernetes. SIGTERM ends everything at once, SIGHUP has it look at the plan again.
Its children die with it (`setpriv --pdeathsig`), so that a killed supervisor leaves nothing that runs unattended.
Standard library only, one thread: the parent-death signal follows the thread that started the child.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from labs.providers.engine import probing
from labs.providers.engine.plan import ProcessSpec, load_plan, write_private
from labs.providers.engine.processes import start_time
from labs.providers.engine.volumes import VolumeOpener

FIRST_BACKOFF = 0.2
LAST_BACKOFF = 10.0
STABLE_SECONDS = 20.0
FAST_POLL = 0.02
IDLE_POLL = 5.0
LOG_LIMIT = 8 * 1024 * 1024
LAST_WORDS = 400


@dataclass(slots=True)
class Child:
    """What the supervisor knows of one component."""

    spec: ProcessSpec
    process: subprocess.Popen[bytes] | None = None
    pidfd: int = -1
    began: float = 0.0
    started: int | None = None
    ready: bool = False
    restarts: int = 0
    backoff: float = FIRST_BACKOFF
    not_before: float = 0.0
    detail: str = ""

    @property
    def finished(self) -> bool:
        """Whether a piece of work was done and need not run again."""
        return self.spec.once and self.ready


class Supervisor:
    """The daemon's loop over the components of one cluster.

    Args:
        root: The cluster's folder.
    """

    def __init__(self, root: Path) -> None:
        self.plan = root / "run" / "plan.json"
        self.state = root / "run" / "state.json"
        self.children: dict[str, Child] = {}
        self.selector = selectors.DefaultSelector()
        self.stopping = False
        self.read = (0, 0)
        self.wanted: set[str] = set()
        self.changed = True
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        self.selector.register(reader, selectors.EVENT_READ)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, lambda *_: None)  # wakes the loop, which looks at the plan's time
        self.wakeup = reader
        self.volumes = VolumeOpener(root / "storage")
        if self.volumes.descriptor >= 0:
            self.selector.register(self.volumes.descriptor, selectors.EVENT_READ)

    def _on_stop(self, *_: object) -> None:
        self.stopping = True

    def run(self) -> None:
        """Supervise until SIGTERM."""
        next_look = 0.0
        while not self.stopping:
            if self._plan_stamp() != self.read:
                self._read_plan()
            busy = self._start_eligible()
            busy = self._probe_starting() or busy
            if time.monotonic() >= next_look:
                self._bound_logs()
                next_look = time.monotonic() + IDLE_POLL
            if self.changed:
                self._write_state()
            for key, _ in self.selector.select(FAST_POLL if busy else IDLE_POLL):
                if key.fd == self.wakeup:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self.wakeup, 4096)
                elif key.fd != self.volumes.descriptor:
                    self._reap(key.data)
            self.volumes.open_new()
        self._stop_all()

    def _plan_stamp(self) -> tuple[int, int]:
        """Return what changes with the plan: each new one is a new file, even within one tick of the clock."""
        try:
            info = self.plan.stat()
        except FileNotFoundError:
            return self.read
        return (info.st_mtime_ns, info.st_ino)

    def _read_plan(self) -> None:
        self.read = self._plan_stamp()
        wanted = {spec.name: spec for spec in load_plan(self.plan)}
        self.wanted = set(wanted)
        for name, child in self.children.items():
            child.spec = wanted.get(name) or dataclasses.replace(child.spec, enabled=False)
            if child.process is not None and not child.spec.enabled:
                child.process.kill()
        for name, spec in wanted.items():
            self.children.setdefault(name, Child(spec))
        self.children = {n: c for n, c in self.children.items() if n in wanted or c.process is not None}
        self.changed = True

    def _start_eligible(self) -> bool:
        """Start what may start, and say whether something still waits for a moment to come soon."""
        idle = [c for c in self.children.values() if c.process is None and not c.finished and c.spec.enabled]
        eligible = [child for child in idle if self._may_start(child)]
        for child in eligible:
            self._start(child)
        return len(eligible) < len(idle)

    def _may_start(self, child: Child) -> bool:
        if time.monotonic() < child.not_before:
            return False
        needed = child.spec.after if child.restarts == 0 else ()
        return all(self.children[name].ready for name in needed if name in self.children)

    def _start(self, child: Child) -> None:
        spec = child.spec
        with Path(spec.log).open("ab") as log:
            try:
                child.process = subprocess.Popen(
                    ["setpriv", "--pdeathsig", "KILL", "--", *spec.argv],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=spec.cwd,
                    umask=0o022,  # it decides the rights of a container's root folder, too
                    env={**os.environ, **spec.env},
                )
            except OSError as error:
                self._schedule(child, f"cannot be started: {error}")
                return
        child.began = time.monotonic()
        child.started = start_time(child.process.pid)
        child.pidfd = os.pidfd_open(child.process.pid)
        child.ready = spec.probe.kind == "none" and not spec.once
        self.selector.register(child.pidfd, selectors.EVENT_READ, child)
        self.changed = True

    def _probe_starting(self) -> bool:
        starting = [c for c in self.children.values() if c.process is not None and not c.ready]
        for child in starting:
            if not child.spec.once and probing.serves(child.spec.probe):
                child.ready = self.changed = True
        return any(not child.spec.once and not child.ready for child in starting)

    def _reap(self, child: Child) -> None:
        process = child.process
        if process is None or process.poll() is None:
            return
        self.selector.unregister(child.pidfd)
        os.close(child.pidfd)
        child.process, child.pidfd, child.started = None, -1, None
        child.ready = child.spec.once and process.returncode == 0
        self.changed = True
        if not child.spec.enabled:
            child.backoff, child.not_before = FIRST_BACKOFF, 0.0
            if child.spec.name not in self.wanted:
                del self.children[child.spec.name]
        if child.finished or not child.spec.enabled:
            return
        code = process.returncode
        how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
        self._schedule(child, f"{how}: {_last_words(Path(child.spec.log))}")

    def _schedule(self, child: Child, detail: str) -> None:
        if time.monotonic() - child.began > STABLE_SECONDS:
            child.backoff = FIRST_BACKOFF
        child.not_before = time.monotonic() + child.backoff
        child.backoff = min(child.backoff * 2, LAST_BACKOFF)
        child.restarts += 1
        child.detail = detail
        self.changed = True

    def _bound_logs(self) -> None:
        for child in self.children.values():
            bound_log(Path(child.spec.log))

    def _write_state(self) -> None:
        self.changed = False
        components = {
            name: {
                "pid": child.process.pid if child.process else None,
                "started": child.started,
                "ready": child.ready,
                "restarts": child.restarts,
                "enabled": child.spec.enabled,
                "once": child.spec.once,
                "detail": child.detail,
            }
            for name, child in self.children.items()
        }
        me = os.getpid()
        state = {"pid": me, "started": start_time(me), "updated": time.time(), "components": components}
        write_private(self.state, json.dumps(state, indent=1))

    def _stop_all(self) -> None:
        for child in self.children.values():
            if child.process is not None:
                child.process.kill()
        for child in self.children.values():
            if child.process is not None:
                child.process.wait()


def bound_log(path: Path) -> None:
    """Keep a log below its limit: the newest half of that moves to `.1`, and the file goes on from nothing."""
    with contextlib.suppress(OSError):
        if path.stat().st_size > LOG_LIMIT:
            with path.open("r+b") as file:
                file.seek(-LOG_LIMIT // 2, os.SEEK_END)
                path.with_name(path.name + ".1").write_bytes(file.read())
                file.truncate(0)


def _last_words(log: Path) -> str:
    """Return the end of a component's log, for the person who asks why it died."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return "no log"
    return lines[-1][-LAST_WORDS:] if lines else "no log"


def main() -> None:
    """Run as a daemon for the cluster whose folder is the first argument."""
    os.umask(0o077)
    Supervisor(Path(sys.argv[1])).run()


if __name__ == "__main__":
    main()
