"""Columns of text that fit the terminal. Used by the other renderers; knows nothing of what it shows."""

from __future__ import annotations

from collections.abc import Sequence

from labs.render.terminal import Terminal, shorten

GAP = 2


def table(
    terminal: Terminal,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[int] = (),
    give: int = -1,
    indent: str = "",
) -> str:
    """Return a table.

    Args:
        terminal: Decides width and colour.
        head: Column titles.
        rows: Cells, plain text.
        right: Columns (from 0) that are set flush right.
        give: The column that is cut when the table is too wide; -1 is the last.
        indent: Text before every line.
    """
    give %= len(head)
    cells = [[" ".join(cell.split()) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in [list(head), *cells]) for n in range(len(head))]
    spare = terminal.width - len(indent) - sum(widths) - GAP * (len(widths) - 1)
    if spare < 0:
        widths[give] = max(len(head[give]), widths[give] + spare)
    lines = [indent + terminal.paint(_line(list(head), widths, right), "bold")]
    lines += [indent + _line(row, widths, right) for row in cells]
    return "\n".join(lines)


def _line(cells: list[str], widths: list[int], right: Sequence[int]) -> str:
    placed = []
    for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        text = shorten(cell, width)
        placed.append(text.rjust(width) if number in right else text.ljust(width))
    return (" " * GAP).join(placed).rstrip()
