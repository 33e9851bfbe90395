"""What every command needs: which cluster, which provider, how to print.

Made by `labs.commands.run`, handed to each command.

Data goes to stdout, everything else to stderr. Nothing here is kept between two runs.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labs.render.terminal import Terminal

if TYPE_CHECKING:
    from labs.attempts.service import Tasks
    from labs.providers.base import ClusterHandle, Provider
    from labs.render.progress import JsonLines, Lines, Silence


@dataclass(slots=True)
class Session:
    """The options that every command has.

    Attributes:
        cluster: Name of the cluster on this machine.
        provider: `auto`, `engine`, `kind` or `context:NAME`.
        profile: Topology of a new cluster, from the settings; empty for the default.
        json: Whether data is printed as JSON.
        events: `text`, `json` or `off`.
    """

    cluster: str = ""
    provider: str = ""
    profile: str = ""
    json: bool = False
    events: str = ""

    def fill(self) -> None:
        """Take from the settings file what the command line left open."""
        from labs.settings import load

        settings = load()
        self.cluster = self.cluster or settings.cluster
        self.provider = self.provider or settings.provider
        self.profile = self.profile or settings.profile

    @property
    def out(self) -> Terminal:
        """Standard output."""
        return Terminal.of(sys.stdout)

    @property
    def err(self) -> Terminal:
        """Standard error."""
        return Terminal.of(sys.stderr)

    def show(self, data: Any, text: str) -> None:
        """Print `data` as JSON when it was asked for, else `text`."""
        from labs.render.jsonout import dumps

        self.out.write(dumps(data) if self.json else text)

    def listener(self, *, indent: str = "") -> Lines | JsonLines | Silence:
        """Return a listener for events, to be used as a context manager."""
        from labs.render.progress import JsonLines, Lines, Silence

        if self.events == "json":
            return JsonLines(sys.stderr)
        if self.events == "off":
            return Silence()
        return Lines(self.err, indent=indent)

    def chosen(self) -> Provider:
        """Return the provider that owns the cluster, or the one that would make it."""
        from labs.providers import select

        return select(self.provider, cluster=self.cluster)

    def handle(self) -> ClusterHandle:
        """Return the handle of the running cluster."""
        return self.chosen().handle(self.cluster)

    def tasks(self, *, live: bool = True) -> Tasks:
        """Return the task service on the running cluster, or one that only reads."""
        from labs.attempts.service import Tasks

        return Tasks(self.handle() if live else None)
