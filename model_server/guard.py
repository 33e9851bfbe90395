"""Refuses hostile model files before ONNX Runtime reads them: a repository is data, often somebody else's.

`catalogue` asks `inside`, `runtime` asks that and `inspect` before it opens a session. ONNX is protobuf, and only the
few fields that can do harm are looked at: where external data lies, how large constants claim to be, how deep graphs
nest. Not a validator: whether the graph makes sense is ONNX Runtime's to say.
"""

from __future__ import annotations

import math
import mmap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DEEPEST = 32
_MOST_FIELDS = 5_000_000
_MOST_DIMENSIONS = 64
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_EXTERNAL = 1

#: Fields to walk into: message → field number → message.
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
#: Operators whose output is as large as a constant says, however small the file is.
_GROWING = frozenset({b"ConstantOfShape", b"Expand", b"Tile", b"Range", b"RandomNormal", b"RandomUniform", b"EyeLike"})
_INT64, _FLOAT_WIDTH = 7, 4


class Refused(Exception):  # noqa: N818 - named after what happened
    """The file, or where it lies, could do harm; the text says how."""


def inside(path: Path, root: Path) -> Path:
    """Return where `path` really is.

    Args:
        path: May be or pass symbolic links, as files of ConfigMaps and other mounted volumes do.
        root: Folder that it must not leave.

    Raises:
        Refused: It leaves the folder.
    """
    real = path.resolve()
    if not real.is_relative_to(root.resolve()):
        raise Refused(f"{path.name} is a link that leaves the model repository")
    return real


def inspect(file: Path, limit: int) -> None:
    """Look through a model file.

    Args:
        file: ONNX.
        limit: Most bytes that the file, its external data or one of its constants may take.

    Raises:
        Refused: It is no ONNX file, too large, nested too deep, or names data outside its folder.
    """
    size = file.stat().st_size
    if size == 0:
        raise Refused("the file is empty")
    if size > limit:
        raise Refused(f"the file has {size} bytes, over the limit of {limit}")
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        _Walk(file.parent, limit, memoryview(data)).run()


@dataclass(slots=True)
class _Tensor:
    """What a tensor claims."""

    dims: list[int] = field(default_factory=list)
    kind: int = 0
    external: bool = False
    raw: bytes = b""
    name: str = ""
    entries: dict[str, str] = field(default_factory=dict)


class _Walk:
    """One walk through one file."""

    def __init__(self, folder: Path, limit: int, data: memoryview) -> None:
        self._folder = folder
        self._limit = limit
        self._data = data
        self._fields = 0
        self._shapes: dict[str, list[int]] = {}
        self._growing: list[list[str]] = []

    def run(self) -> None:
        try:
            self._message("model", 0, len(self._data), 0)
        finally:
            self._data.release()
        for inputs in self._growing:
            for name in inputs:
                self._bounded(self._shapes.get(name, []), f"the shape in constant {name}")

    def _message(self, kind: str, start: int, end: int, depth: int) -> None:
        if depth > _DEEPEST:
            raise Refused(f"graphs are nested more than {_DEEPEST} deep")
        children = _CHILDREN[kind]
        inputs: list[str] = []
        growing = False
        for number, wire, begin, stop in self._walk(start, end):
            child = children.get(number) if wire == _LENGTH else None
            if child == "tensor":
                self._tensor(begin, stop)
            elif child is not None:
                self._message(child, begin, stop, depth + (child == "graph"))
            elif kind == "node" and wire == _LENGTH:
                if number == 1:
                    inputs.append(self._text(begin, stop))
                elif number == 4:  # noqa: PLR2004 - op_type
                    growing = bytes(self._data[begin:stop]) in _GROWING
        if growing:
            self._growing.append(inputs)

    def _tensor(self, start: int, end: int) -> None:
        tensor = _Tensor()
        for number, wire, begin, stop in self._walk(start, end):
            if number == 1 and wire == _VARINT:
                tensor.dims.append(self._varint(begin, stop)[0])
            elif number == 1 and wire == _LENGTH:
                tensor.dims += self._packed(begin, min(stop, begin + 1024))
            elif number == 2 and wire == _VARINT:  # noqa: PLR2004 - data_type
                tensor.kind = self._varint(begin, stop)[0]
            elif number == 8 and wire == _LENGTH:  # noqa: PLR2004 - name
                tensor.name = self._text(begin, stop)
            elif number == 7 and wire == _LENGTH and stop - begin <= 1024:  # noqa: PLR2004 - int64_data, a shape
                tensor.raw = b"".join(value.to_bytes(8, "little") for value in self._packed(begin, stop))
            elif number == 9 and wire == _LENGTH and stop - begin <= 1024:  # noqa: PLR2004 - raw_data, a shape
                tensor.raw = bytes(self._data[begin:stop])
            elif number == 13 and wire == _LENGTH:  # noqa: PLR2004 - external_data
                self._entry(begin, stop, tensor)
            elif number == 14 and wire == _VARINT:  # noqa: PLR2004 - data_location
                tensor.external = self._varint(begin, stop)[0] == _EXTERNAL
        self._judge(tensor)

    def _entry(self, start: int, end: int, tensor: _Tensor) -> None:
        pair = {number: self._text(begin, stop) for number, wire, begin, stop in self._walk(start, end) if wire == 2}  # noqa: PLR2004 - length
        tensor.entries[pair.get(1, "")] = pair.get(2, "")

    def _judge(self, tensor: _Tensor) -> None:
        self._bounded(tensor.dims, f"constant {tensor.name[:100]}")
        if tensor.external or tensor.entries:
            self._external(tensor.entries.get("location", ""))
        if tensor.kind == _INT64 and len(tensor.raw) % 8 == 0:
            self._shapes[tensor.name] = [
                int.from_bytes(tensor.raw[at : at + 8], "little", signed=True) for at in range(0, len(tensor.raw), 8)
            ]

    def _bounded(self, dims: list[int], what: str) -> None:
        if len(dims) > _MOST_DIMENSIONS:
            raise Refused(f"{what} has {len(dims)} dimensions")
        if any(size >= 1 << 63 for size in dims):
            raise Refused(f"{what} has a negative size")
        size = math.prod(max(1, size) for size in dims) * _FLOAT_WIDTH
        if size > 2 * self._limit:
            raise Refused(f"{what} claims {size} bytes, over the limit of {self._limit}")

    def _external(self, location: str) -> None:
        """External data must lie in the model's own folder or below."""
        place = self._folder / location
        if not location or location.startswith("/") or "\\" in location or ".." in location.split("/"):
            raise Refused(f"external data at {location[:100]!r} is outside the model's folder")
        if not place.resolve().is_relative_to(self._folder.resolve()):
            raise Refused(f"external data at {location[:100]!r} is a link out of the model's folder")
        if not place.is_file():
            raise Refused(f"external data at {location[:100]!r} is missing")
        if place.stat().st_size > self._limit:
            raise Refused(f"external data at {location[:100]!r} is over the limit of {self._limit} bytes")

    def _walk(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield each field of a message: number, wire type, where its value begins and where it ends."""
        at = start
        while at < end:
            self._fields += 1
            if self._fields > _MOST_FIELDS:
                raise Refused(f"more than {_MOST_FIELDS} fields")
            key, at = self._varint(at, end)
            wire = key & 7
            begin = at
            if wire == _VARINT:
                _, at = self._varint(at, end)
            elif wire == _LENGTH:
                length, begin = self._varint(at, end)
                at = begin + length
            elif wire in {_FIXED64, _FIXED32}:
                at += 8 if wire == _FIXED64 else 4
            else:
                raise Refused("this is no ONNX file")
            if at > end:
                raise Refused("this is no ONNX file, or it is cut off")
            yield key >> 3, wire, begin, at

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while at < end and shift < 70:  # noqa: PLR2004 - ten bytes of seven bits
            byte = self._data[at]
            value |= (byte & 0x7F) << shift
            at += 1
            if byte < 0x80:  # noqa: PLR2004 - the last byte
                return value & (1 << 64) - 1, at
            shift += 7
        raise Refused("this is no ONNX file, or it is cut off")

    def _packed(self, at: int, end: int) -> list[int]:
        values = []
        while at < end:
            value, at = self._varint(at, end)
            values.append(value)
        return values

    def _text(self, begin: int, end: int) -> str:
        return bytes(self._data[begin : min(end, begin + 4096)]).decode("utf-8", "replace")
