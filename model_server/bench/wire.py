"""The little of HTTP that the floor and the two load generators read: numbers in a head. Nothing else uses it."""

from __future__ import annotations

LENGTH = b"content-length: "


def number(data: bytes, name: bytes, end: int) -> int:
    """Return the number behind a header, 0 where the head has no such header.

    Args:
        data: Begins with a head.
        name: The header with its colon and blank, as it is sent.
        end: Where the head ends.
    """
    at = data.find(name, 0, end)
    if at < 0:
        return 0
    at += len(name)
    return int(data[at : data.index(b"\r\n", at)])
