"""Running other people's programs (kind, docker, kubectl) and reading what they say: a Protocol, a real one, a fake.

Called by providers that drive a tool. The fake is part of the package so that authors of providers and tests script a
whole conversation without a tool. Not for the engine's own processes, which its supervisor holds.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from labs import tools
from labs.errors import MachineError

DEFAULT_SECONDS = 30.0
_POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Completed:
    """What a program said.

    Attributes:
        code: Its exit status.
        out: Standard output.
        err: Standard error.
    """

    code: int = 0
    out: str = ""
    err: str = ""

    @property
    def last_words(self) -> str:
        """The last line that says something, of standard error if there is one."""
        lines = [line.strip() for line in (self.err or self.out).splitlines() if line.strip()]
        return lines[-1] if lines else f"exit status {self.code}"


class Runner(Protocol):
    """Runs one program to its end."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        text: str = "",
        env: Mapping[str, str] | None = None,
        seconds: float = DEFAULT_SECONDS,
        progress: Callable[[float], None] | None = None,
    ) -> Completed:
        """Run it.

        Args:
            argv: Program and arguments.
            text: Its standard input.
            env: Variables on top of ours.
            seconds: How long it may take.
            progress: Told the elapsed seconds, about twice a second.

        Raises:
            MachineError: It is not installed, or it took too long.
        """
        ...


class System:
    """The runner of this machine. A program that takes too long, or whose caller is interrupted, is ended."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        text: str = "",
        env: Mapping[str, str] | None = None,
        seconds: float = DEFAULT_SECONDS,
        progress: Callable[[float], None] | None = None,
    ) -> Completed:
        """Run it; see `Runner`."""
        with (
            tempfile.TemporaryFile("w+") as feed,
            tempfile.TemporaryFile("w+") as out,
            tempfile.TemporaryFile("w+") as err,
        ):
            feed.write(text)
            feed.seek(0)
            try:
                child = subprocess.Popen(
                    list(argv), stdin=feed, stdout=out, stderr=err, env={**os.environ, **(env or {})}
                )
            except FileNotFoundError as error:
                raise MachineError(f"{argv[0]} is not installed", hint=tools.install_hint([argv[0]])) from error
            try:
                self._wait(child, argv[0], seconds, progress)
            except BaseException:
                child.terminate()
                self._reap(child)
                raise
            out.seek(0)
            err.seek(0)
            return Completed(child.returncode, out.read(), err.read())

    @staticmethod
    def _wait(
        child: subprocess.Popen[bytes], program: str, seconds: float, progress: Callable[[float], None] | None
    ) -> None:
        began = time.monotonic()
        while True:
            try:
                child.wait(timeout=_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                elapsed = time.monotonic() - began
                if elapsed > seconds:
                    raise MachineError(
                        f"{program} did not end within {seconds:.0f} s",
                        hint="does the program answer when you run it by hand?",
                    ) from None
                if progress:
                    progress(elapsed)
            else:
                return

    @staticmethod
    def _reap(child: subprocess.Popen[bytes]) -> None:
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@dataclass
class Scripted:
    """A fake runner: answers by the beginning of the command line and remembers everything it was asked.

    Attributes:
        answers: Beginning of the command line, joined by spaces → answer, or a function of (argv, text). The longest
            beginning that fits is taken; what is not listed succeeds and says nothing.
        absent: Programs that are not installed.
        calls: Every command line, in order.
        texts: What was fed to each.
    """

    answers: dict[str, Completed | Callable[[list[str], str], Completed]] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    calls: list[list[str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __call__(
        self,
        argv: Sequence[str],
        *,
        text: str = "",
        env: Mapping[str, str] | None = None,  # noqa: ARG002 - the Protocol's
        seconds: float = DEFAULT_SECONDS,  # noqa: ARG002 - the Protocol's
        progress: Callable[[float], None] | None = None,  # noqa: ARG002 - the Protocol's
    ) -> Completed:
        """Answer from the script; see `Runner`."""
        self.calls.append(list(argv))
        self.texts.append(text)
        if argv[0] in self.absent:
            raise MachineError(f"{argv[0]} is not installed", hint=f"install {argv[0]}")
        line = " ".join(argv)
        fitting = [start for start in self.answers if line.startswith(start)]
        if not fitting:
            return Completed()
        answer = self.answers[max(fitting, key=len)]
        return answer(list(argv), text) if callable(answer) else answer
