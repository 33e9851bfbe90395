"""Text from outside becomes something the screen may show. Every widget gets its text from here.

A cluster's words (validation errors, events, file contents) are full of square brackets and may hold control
characters: they are never read as markup, and never reach the terminal raw. `tests/tui/test_plain_everywhere.py` reads
the sources and fails on a call site that goes round this module.
"""

from __future__ import annotations

import re

from textual.content import Content

Part = str | tuple[str, str] | Content

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_FENCE = re.compile(r"^ *```.*$", re.MULTILINE)
_GAP = re.compile(r"\n\s*\n")
_ITEM = re.compile(r"^\s*([-*]|\d+\.)\s+")
_BULLET = re.compile(r"^(\s*)[-*]\s+")
_SPAN = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])")


def clean(text: str) -> str:
    """Return the text with every control and direction character made visible; tabs become blanks."""
    text = text.replace("\r\n", "\n").expandtabs(4)
    return _CONTROL.sub(_picture, text)


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:  # noqa: PLR2004 - Unicode's control pictures mirror the ASCII controls one by one
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "\ufffd"  # noqa: PLR2004 - DEL has a picture of its own


def plain(text: str, style: str = "") -> Content:
    """Return text as content that is shown letter by letter.

    Args:
        text: Any text, also a cluster's.
        style: Style of the whole of it, in theme colours (`bold $text-error`).
    """
    return Content.styled(clean(text), style) if style else Content(clean(text))


def line(*parts: Part) -> Content:
    """Join parts: a string as it is, a pair of text and style, or content."""
    return Content("").join(part if isinstance(part, Content) else _part(part) for part in parts)


def lines(*parts: Content) -> Content:
    """Put parts under each other."""
    return Content("\n").join(parts)


def _part(part: str | tuple[str, str]) -> Content:
    return plain(part) if isinstance(part, str) else plain(*part)


def cell(part: Part, width: int, *, right: bool = False) -> Content:
    """Return a part cut with an ellipsis, or filled with blanks, to exactly `width` cells."""
    content = line(part)
    if content.cell_length > width:
        return content.truncate(width, ellipsis=True)
    gap = width - content.cell_length
    return content.pad_left(gap) if right else content.pad_right(gap)


def prose(text: str) -> Content:
    """Return an author's text for reading: paragraphs flow, lists and fences keep their lines, `code` stands out.

    It understands this much of Markdown and no more, so that whatever a cluster puts in between stays visible as it
    was.
    """
    blocks: list[Content] = []
    for number, part in enumerate(_FENCE.split(clean(text).strip("\n"))):
        if number % 2:  # between two fences
            code = "\n".join(f"  {row}" for row in part.strip("\n").split("\n"))
            blocks.append(plain(code, "$text-primary"))
        elif part.strip():
            blocks += [_paragraph(block) for block in _GAP.split(part.strip("\n")) if block.strip()]
    return Content("\n\n").join(blocks)


def _paragraph(block: str) -> Content:
    """Join the lines of a paragraph; each item of a list and each heading begins a new one."""
    rows: list[str] = []
    for raw in block.split("\n"):
        if not rows or _ITEM.match(raw) or raw.startswith("#") or rows[-1].startswith("#"):
            rows.append(_BULLET.sub(r"\1• ", raw.rstrip()))
        else:
            rows[-1] += " " + raw.strip()
    return lines(*(plain(row.lstrip("# "), "bold") if row.startswith("#") else inline(row) for row in rows))


def inline(text: str) -> Content:
    """Return one line of an author's text in which `code` and **bold** stand out."""
    text = clean(text)
    parts: list[Part] = []
    at = 0
    for match in _SPAN.finditer(text):
        code, bold, stressed = match.groups()
        styled = (code, "$text-primary") if code else (bold, "bold") if bold else (stressed, "italic")
        parts += [text[at : match.start()], styled]
        at = match.end()
    return line(*parts, text[at:])


def hang(label: str, content: Content, *, indent: int, width: int) -> Content:
    """Put a muted label in front of a text that wraps beside it.

    Args:
        label: The label, shorter than `indent`.
        content: The text.
        indent: Cells for the label.
        width: Cells for both.
    """
    wrapped = content.wrap(max(10, width - indent))
    heads = [label, *[""] * (len(wrapped) - 1)]
    return lines(
        *(line(cell((head, "$foreground 60%"), indent), row) for head, row in zip(heads, wrapped, strict=True))
    )
