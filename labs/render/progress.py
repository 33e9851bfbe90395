"""Events of `labs.events` as they happen: a line per finished step, and on a terminal a live one with a spinner or bar.

`Lines(terminal)` is handed to everything that takes an `emit`. On a terminal a small thread redraws the live line,
so that elapsed time moves even when nothing is said; in a log only whole lines appear. Not for results: those go to
stdout.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from dataclasses import asdict
from types import TracebackType
from typing import Self, TextIO

from labs.events import Event, Notice, Progress, State, Step
from labs.render.terminal import Terminal, clean, duration, shorten, size

_SIGNS = {
    State.DONE: ("✓", "green"),
    State.FAILED: ("✗", "red"),
    State.SKIPPED: ("·", "dim"),
    State.RUNNING: ("…", "cyan"),
}
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_BAR = 20
_QUIET_LOG_SECONDS = 15.0


class Lines:
    """A listener that writes events to a terminal or a log; use it as a context manager.

    Args:
        terminal: Where to.
        indent: Text before every line.
    """

    def __init__(self, terminal: Terminal, *, indent: str = "") -> None:
        self._terminal = terminal
        self._indent = indent
        self._lock = threading.RLock()
        self._running: dict[str, tuple[Step, float]] = {}
        self._progress: dict[str, Progress] = {}
        self._logged: dict[str, float] = {}
        self._drawn = False
        self._frame = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._terminal.live:
            self._thread = threading.Thread(target=self._spin, name="progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=1)
        with self._lock, self._unheard():
            self._erase()
            self._running.clear()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        with self._lock, self._unheard():
            self._erase()
            match event:
                case Step():
                    self._step(event)
                case Progress():
                    self._advance(event)
                case Notice():
                    self._notice(event)
            self._draw()

    @staticmethod
    def _unheard() -> contextlib.suppress:
        """Go on with the work when the terminal was closed: cleaning up matters more than being read."""
        return contextlib.suppress(OSError)

    def _step(self, step: Step) -> None:
        if step.state is State.RUNNING:
            began = self._running[step.id][1] if step.id in self._running else time.monotonic()
            if step.id not in self._running and not self._terminal.live and step.detail.startswith("waiting"):
                self._line("…", "cyan", step.title, step.detail, None)
            self._running[step.id] = (step, began)
            return
        began = self._running.pop(step.id, (step, time.monotonic()))[1]
        self._progress.pop(step.id, None)
        self._logged.pop(step.id, None)
        seconds = step.seconds if step.seconds is not None else time.monotonic() - began
        sign, color = _SIGNS[step.state]
        self._line(sign, color, step.title, step.detail, seconds)

    def _line(self, sign: str, color: str, title: str, detail: str, seconds: float | None) -> None:
        terminal = self._terminal
        shown = f"{seconds:6.1f} s" if seconds is not None and seconds >= 0.05 else ""  # noqa: PLR2004 - less reads 0.0
        room = terminal.width - len(self._indent) - 2 - 10
        text = clean(title) + (f" – {clean(detail)}" if detail else "")
        head, pad = f"{self._indent}{terminal.paint(sign, color)} ", self._indent + "  "
        if len(text) > room:
            # A finished step keeps every word; only the live line is cut.
            terminal.write(
                f"{terminal.block(text, first=head, indent=pad)}  {terminal.paint(shown.strip(), 'dim')}".rstrip()
            )
        else:
            terminal.write(f"{head}{shorten(text, room).ljust(room)} {terminal.paint(shown, 'dim')}".rstrip())

    def _advance(self, progress: Progress) -> None:
        self._progress[progress.id] = progress
        if self._terminal.live:
            return
        last = self._logged.get(progress.id, 0.0)
        if progress.elapsed - last >= _QUIET_LOG_SECONDS:
            self._logged[progress.id] = progress.elapsed
            step = self._running.get(progress.id)
            title = step[0].title if step else progress.id
            self._terminal.write(f"{self._indent}… {clean(title)} – {_amount(progress)}")

    def _notice(self, notice: Notice) -> None:
        terminal = self._terminal
        word = terminal.paint("warning:", "yellow") if notice.warning else terminal.paint("note:", "cyan")
        pad = self._indent + " " * (9 if notice.warning else 6)
        terminal.write(terminal.block(notice.message, first=f"{self._indent}{word} ", indent=pad))
        if notice.hint:
            terminal.write(
                terminal.block(notice.hint, first=f"{self._indent}{terminal.paint('hint:', 'cyan')} ", indent=pad)
            )

    def _spin(self) -> None:
        while not self._stop.wait(0.1):
            with self._lock, self._unheard():
                self._frame += 1
                self._erase()
                self._draw()

    def _erase(self) -> None:
        if self._drawn:
            self._terminal.stream.write("\r\x1b[2K")
            self._drawn = False

    def _draw(self) -> None:
        if not self._terminal.live or not self._running or self._stop.is_set():
            return
        identity, (step, began) = next(reversed(self._running.items()))
        progress = self._progress.get(identity)
        text = f"{clean(step.title)}" + (f" – {clean(step.detail)}" if step.detail else "")
        tail = _bar(progress) if progress else duration(time.monotonic() - began)
        room = self._terminal.width - len(self._indent) - len(tail) - 5
        spinner = self._terminal.paint(_SPINNER[self._frame % len(_SPINNER)], "cyan")
        self._terminal.stream.write(
            f"{self._indent}{spinner} {shorten(text, room)}  {self._terminal.paint(tail, 'dim')}"
        )
        self._terminal.stream.flush()
        self._drawn = True


def _share(progress: Progress) -> float | None:
    if progress.total:
        return min(1.0, progress.done / progress.total)
    if progress.expected:
        return min(0.99, progress.elapsed / progress.expected)
    return None


def _bar(progress: Progress) -> str:
    share = _share(progress)
    bar = "" if share is None else "█" * int(share * _BAR) + "░" * (_BAR - int(share * _BAR)) + " "
    return bar + _amount(progress)


def _amount(progress: Progress) -> str:
    parts = []
    if progress.unit == "bytes":
        parts.append(size(progress.done) + (f" of {size(progress.total)}" if progress.total else ""))
    elif progress.unit != "seconds":
        of = f" of {progress.total:.0f}" if progress.total else ""
        parts.append(f"{progress.done:.0f}{of} {progress.unit}")
    expected = f" of about {duration(progress.expected)}" if progress.expected else ""
    parts.append(duration(progress.elapsed) + expected)
    return ", ".join(parts)


class Silence:
    """A listener that shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        return None

    def __call__(self, event: Event) -> None:
        """Drop one event."""


class JsonLines:
    """A listener that writes each event as one line of JSON, key `event` naming its type.

    Args:
        stream: Where to, normally stderr.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        return None

    def __call__(self, event: Event) -> None:
        """Show one event."""
        line = json.dumps({"event": type(event).__name__.lower(), **asdict(event)}, ensure_ascii=False)
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()
