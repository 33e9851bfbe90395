"""Our reading of our .proto files: the same as protoc's, and in agreement with the messages of Triton's client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_tools import protoc
from server_process import ROOT
from tritonclient.grpc import model_config_pb2, service_pb2

from model_server.rpc import schema

if TYPE_CHECKING:
    from pathlib import Path

RPC = ROOT / "model_server" / "rpc"
FILES = sorted(path.name for path in RPC.glob("*.proto"))


def in_full(file: Any) -> Any:
    """A descriptor with everything in it that protobuf works out itself, such as full names of types.

    Names in JSON follow from the fields' names; protoc writes them down, we leave them to protobuf.
    """
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    whole = descriptor_pb2.FileDescriptorProto()
    pool.FindFileByName(file.name).CopyToProto(whole)
    waiting = list(whole.message_type)
    while waiting:
        message = waiting.pop()
        waiting += message.nested_type
        for field in message.field:
            field.ClearField("json_name")
    return whole


@pytest.mark.parametrize("name", FILES)
def test_our_reader_reads_what_protoc_reads(tmp_path: Path, name: str) -> None:
    out = tmp_path / "set"
    assert protoc.main(["protoc", f"-I{RPC}", f"--descriptor_set_out={out}", name]) == 0
    [theirs] = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file
    assert in_full(schema.read(name)) == in_full(theirs)


def test_names_numbers_and_types_are_those_of_tritons_client() -> None:
    """What is ours and not theirs could not be read by anybody; what is theirs and not ours is left out on purpose."""
    ours = in_full(schema.read("inference.proto"))
    theirs = [descriptor_pb2.FileDescriptorProto() for _ in range(2)]
    service_pb2.DESCRIPTOR.CopyToProto(theirs[0])
    model_config_pb2.DESCRIPTOR.CopyToProto(theirs[1])
    known = {line for file in theirs for line in facts(file)}
    assert set(facts(ours)) - known == set()
    assert {line for line in known if ".ModelInfer" in line[0]} <= set(facts(ours))


def facts(file: Any) -> list[tuple[Any, ...]]:
    """Everything on which two sides have to agree."""
    found: list[tuple[Any, ...]] = [
        (f"service {service.name}", method.name, method.input_type, method.output_type)
        for service in file.service
        for method in service.method
    ]
    waiting = [(f".{file.package}", message) for message in file.message_type]
    enums = [(f".{file.package}", enum) for enum in file.enum_type]
    while waiting:
        scope, message = waiting.pop()
        name = f"{scope}.{message.name}"
        waiting += [(name, nested) for nested in message.nested_type]
        enums += [(name, enum) for enum in message.enum_type]
        oneofs = [oneof.name for oneof in message.oneof_decl]
        for field in message.field:
            oneof = oneofs[field.oneof_index] if field.HasField("oneof_index") else ""
            found.append((name, field.name, field.number, field.type, field.type_name, field.label, oneof))
    found += [(f"{scope}.{enum.name}", value.name, value.number) for scope, enum in enums for value in enum.value]
    return found


def test_what_the_reader_does_not_know_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "__file__", str(tmp_path / "schema.py"))
    head = 'syntax = "proto3";\npackage p;\n'
    for number, text in enumerate(("import x;", "message M { int32 a : 1; }", "service S { option x; }")):
        (tmp_path / f"{number}.proto").write_text(head + text)
        with pytest.raises(ValueError, match=rf"{number}\.proto: "):
            schema.read(f"{number}.proto")
