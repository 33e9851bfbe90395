"""A terminal as the renderers see it: how wide, whether it shows colour, whether a line can be redrawn.

Used by everything in `labs.render`. Meaning never hangs on colour alone: each state has a sign and a word. Text that
came from a cluster or a file goes through `clean` first, so that it can neither move the cursor nor colour the
screen. Not for input.
"""

from __future__ import annotations

import os
import re
import shutil
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
}
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")
MAX_WIDTH = 100


def clean(text: str) -> str:
    """Return `text` without control characters and escape sequences; tabs become spaces, newlines stay."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\t", "    "))


@dataclass(frozen=True, slots=True)
class Terminal:
    """A stream and what it can show.

    Attributes:
        stream: Where text goes.
        color: Whether ANSI colours may be used.
        live: Whether the last line may be redrawn (a terminal, not a log).
        width: Columns to use.
    """

    stream: TextIO
    color: bool = False
    live: bool = False
    width: int = 80

    @classmethod
    def of(cls, stream: TextIO) -> Terminal:
        """Look at a stream and at `NO_COLOR`, `FORCE_COLOR`, `TERM`, `CI` and `COLUMNS`."""
        tty = stream.isatty()
        dumb = os.environ.get("TERM", "") in {"", "dumb"}
        color = (tty and not dumb) or bool(os.environ.get("FORCE_COLOR"))
        if os.environ.get("NO_COLOR"):
            color = False
        columns = shutil.get_terminal_size((80, 24)).columns if tty else int(os.environ.get("COLUMNS") or 80)
        live = tty and not dumb and not os.environ.get("CI")
        return cls(stream, color=color, live=live, width=max(40, min(columns, MAX_WIDTH)))

    def paint(self, text: str, *styles: str) -> str:
        """Return `text` in the named styles, or as it is where colours are off."""
        if not self.color or not text or not styles:
            return text
        codes = ";".join(_CODES[style] for style in styles)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def write(self, text: str = "") -> None:
        """Write a line and flush, so that a log shows it when it happens."""
        self.stream.write(text + "\n")
        self.stream.flush()

    def block(self, text: str, *, first: str = "", indent: str = "", styles: Iterable[str] = ()) -> str:
        """Return `text` wrapped to the width: `first` before the first line, `indent` before the others."""
        width = max(20, self.width - len(indent))
        lines: list[str] = []
        for paragraph in clean(text).strip("\n").split("\n"):
            lines += textwrap.wrap(paragraph, width, break_on_hyphens=False, break_long_words=False) or [""]
        painted = [self.paint(line, *styles) for line in lines]
        return "\n".join((first if number == 0 else indent) + line for number, line in enumerate(painted)).rstrip()

    def prose(self, text: str, *, indent: str = "") -> str:
        """Return running text re-flowed to the width: single newlines join lines, blank lines, lists and code stay."""
        out: list[str] = []
        for part in re.split(r"\n\s*\n", clean(text).strip("\n")):
            lines = part.split("\n")
            fixed = any(re.match(r"\s{2,}|\s*([-*]|\d+\.)\s|```", line) for line in lines)
            if fixed:
                out.append("\n".join(indent + line for line in lines))
            else:
                out.append(self.block(" ".join(line.strip() for line in lines), first=indent, indent=indent))
        return "\n\n".join(out)

    def rule(self, title: str) -> str:
        """Return a heading with a line to the right edge."""
        return self.paint(f"── {title} ", "bold") + self.paint("─" * max(4, self.width - len(title) - 4), "dim")


def shorten(text: str, width: int) -> str:
    """Return `text` on one line, at most `width` columns, cut with an ellipsis."""
    line = " ".join(clean(text).split())
    return line if len(line) <= width else line[: max(1, width - 1)] + "…"


def duration(seconds: float) -> str:
    """Return a duration as a person reads it: `0.4 s`, `12 s`, `3 min 05 s`."""
    if seconds < 10:  # noqa: PLR2004 - tenths matter below ten seconds and nowhere else
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{whole} s"


def size(amount: float) -> str:
    """Return bytes as a person reads them."""
    for unit in ("B", "kB", "MB"):
        if amount < 1000:  # noqa: PLR2004 - decimal units
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.2f} GB"
