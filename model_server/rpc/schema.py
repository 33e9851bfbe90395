"""Message classes from the `.proto` files beside this module, made when the server starts.

Generated code would be larger than its source and tied to one version of protobuf: it refuses to run with an older one.
The reader knows as much of the language as these files use: proto3, messages, enums, maps, `oneof`, services. A test
compares what it makes with what `protoc` makes of the same files.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKENS = re.compile(r'"[^"]*"|[\w.]+|[{}=;<>,()]')
_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    name: getattr(_FIELD, f"TYPE_{name.upper()}")
    for name in ("bool", "int32", "int64", "uint32", "uint64", "float", "double", "string", "bytes")
}


class Schema:
    """One `.proto` file.

    Args:
        name: Of the file, beside this module.

    Raises:
        ValueError: The file holds what this reader does not know.
    """

    def __init__(self, name: str) -> None:
        self.file = read(name)
        self._pool = descriptor_pool.DescriptorPool()  # others may know the same names, with other fields
        self._pool.AddSerializedFile(self.file.SerializeToString())

    def message(self, name: str) -> Any:
        """Return the class of a message of this package."""
        return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(f"{self.file.package}.{name}"))

    def part(self, name: str, fields: set[str]) -> Any:
        """Return a class that reads some fields of a message; the others it keeps as the bytes they are.

        Args:
            name: Of the message.
            fields: Their names; of scalar types.
        """
        [whole] = [message for message in self.file.message_type if message.name == name]
        file = descriptor_pb2.FileDescriptorProto(name=f"part-{self.file.name}", syntax="proto3", package="part")
        file.message_type.add(name=name, field=[field for field in whole.field if field.name in fields])
        pool = descriptor_pool.DescriptorPool()
        pool.AddSerializedFile(file.SerializeToString())
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"part.{name}"))

    def methods(self) -> Iterator[tuple[str, str, Any]]:
        """Yield service, method and the request's class for every method."""
        for service in self.file.service:
            for method in service.method:
                yield f"{self.file.package}.{service.name}", method.name, self.message(method.input_type)


def read(name: str) -> Any:
    """Return a file's descriptor.

    Args:
        name: Of the file, beside this module.

    Raises:
        ValueError: It holds what this reader does not know.
    """
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    return _Reader(name, re.sub(r"//.*", "", text)).file()


class _Reader:
    """Goes through a file once, token by token."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._tokens = _TOKENS.findall(text)
        self._at = 0

    def _next(self) -> str:
        self._at += 1
        token: str = self._tokens[self._at - 1]
        return token

    def _want(self, *tokens: str) -> None:
        for token in tokens:
            if (found := self._next()) != token:
                raise ValueError(f"{self._name}: {found!r} where {token!r} is wanted")

    def file(self) -> Any:
        file = descriptor_pb2.FileDescriptorProto(name=self._name, syntax="proto3")
        self._want("syntax", "=", '"proto3"', ";", "package")
        file.package = self._next()
        self._want(";")
        while self._at < len(self._tokens):
            match self._next():
                case "message":
                    self._message(file.message_type.add())
                case "enum":
                    self._enum(file.enum_type.add())
                case "service":
                    self._service(file.service.add())
                case other:
                    raise ValueError(f"{self._name}: {other!r} is not known")
        return file

    def _message(self, message: Any) -> None:
        message.name = self._next()
        self._want("{")
        while (token := self._next()) != "}":
            match token:
                case "message":
                    self._message(message.nested_type.add())
                case "enum":
                    self._enum(message.enum_type.add())
                case "oneof":
                    self._oneof(message)
                case "map":
                    self._map(message)
                case _:
                    self._field(message.field, token)

    def _oneof(self, message: Any) -> None:
        index = len(message.oneof_decl)
        message.oneof_decl.add(name=self._next())
        self._want("{")
        while (token := self._next()) != "}":
            self._field(message.field, token).oneof_index = index

    def _map(self, message: Any) -> None:
        """Read a map, which is a list of entries; the entry's message is named after the field."""
        self._want("<")
        key = self._next()
        self._want(",")
        value = self._next()
        self._want(">")
        name = self._next()
        entry = message.nested_type.add(name="".join(part.title() for part in name.split("_")) + "Entry")
        entry.options.map_entry = True
        for number, (part, kind) in enumerate((("key", key), ("value", value)), 1):
            _typed(entry.field.add(name=part, number=number, label=_FIELD.LABEL_OPTIONAL), kind)
        self._numbered(message.field.add(name=name, label=_FIELD.LABEL_REPEATED, type_name=entry.name))

    def _field(self, fields: Any, kind: str) -> Any:
        label = _FIELD.LABEL_OPTIONAL
        if kind == "repeated":
            label, kind = _FIELD.LABEL_REPEATED, self._next()
        field = fields.add(name=self._next(), label=label)
        _typed(field, kind)
        self._numbered(field)
        return field

    def _numbered(self, field: Any) -> None:
        self._want("=")
        field.number = int(self._next())
        self._want(";")

    def _enum(self, enum: Any) -> None:
        enum.name = self._next()
        self._want("{")
        while (name := self._next()) != "}":
            self._numbered(enum.value.add(name=name))

    def _service(self, service: Any) -> None:
        service.name = self._next()
        self._want("{")
        while (token := self._next()) != "}":
            if token != "rpc":  # noqa: S105 - a keyword, not a secret
                raise ValueError(f"{self._name}: {token!r} is not known")
            method = service.method.add(name=self._next())
            self._want("(")
            method.input_type = self._next()
            self._want(")", "returns", "(")
            method.output_type = self._next()
            self._want(")", ";")


def _typed(field: Any, kind: str) -> None:
    """Set a field's type; that of a message or enum stays open, protobuf looks its name up."""
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type_name = kind
