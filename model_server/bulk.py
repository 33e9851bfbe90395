"""Large JSON requests: their numbers go from text into an array without becoming Python objects.

`codec` asks `read` before it parses a large request in its own way. This module is only ever quicker: what is not a
plain list of numbers for a single input, and everything that is wrong, it leaves to `codec`, which accepts it or says
what is wrong. So no rule of the protocol is here, and a request gets the same answer with or without it.
"""

from __future__ import annotations

import re
from typing import Any, cast

import numpy as np
import orjson
import simdjson

#: Least bytes of a list that is read here. At about 5,000 the detour costs as much as the objects.
LEAST = 8192
_KEY = re.compile(rb'"data"[ \t\r\n]*:')
#: Of a nested list the piece up to the first bracket that closes would be no JSON, so that is not even tried.
_LIST = re.compile(_KEY.pattern + rb"[ \t\r\n]*\[[ \t\r\n]*[-0-9]")


def read(text: bytes) -> dict[str, Any] | None:
    """Parse a request, with the data of its only input as an array of FP64.

    The list is cut out of the text and goes to a parser that makes no objects; the rest, with `null` in its place, to
    the usual one. If both are valid JSON, so is the whole, and means the same: a quote without a backslash before it
    begins or ends a string, and `data":` behind one that ends a string is no JSON. Without any backslash in the rest
    there is also no other spelling of the key, so the one `null` under it stands for the list.

    Args:
        text: JSON, or what claims to be.

    Returns:
        The request as `orjson` would give it but for that array; None where it has to be read in the usual way.
    """
    found = _LIST.search(text)
    if found is None:
        return None
    begin = text.index(b"[", found.start())
    end = text.find(b"]", begin) + 1
    if end - begin < LEAST:
        return None
    rest = b'%b"data":null%b' % (text[: found.start()], text[end:])
    if b"\\" in rest or len(_KEY.findall(rest)) != 1:
        return None
    try:
        document: dict[str, Any] = orjson.loads(rest)
        [item] = document["inputs"]
        if item["data"] is not None:
            return None
        # A parser of its own costs a fiftieth of the parsing, and nothing has to be known of threads and of proxies.
        array = cast("simdjson.Array", simdjson.Parser().parse(text[begin:end]))
        item["data"] = np.frombuffer(array.as_buffer(of_type="d"), np.float64)
    except (ValueError, TypeError, LookupError, RuntimeError, MemoryError):
        return None
    return document
