"""A kubelet device plugin for GPUs that are not there: what the scheduler, the kubelet and `kubectl` see is real.

Runs as a supervised process in a node's namespaces, by its file: of this project it imports nothing. It offers as many
`nvidia.com/gpu` as it is told, and looks twice a second into a file that names those that are broken. Containers get
`NVIDIA_VISIBLE_DEVICES`, as from NVIDIA's own plugin; there is no device behind it, and no driver.

The protocol is https://github.com/kubernetes/kubelet/blob/master/pkg/apis/deviceplugin/v1beta1/api.proto; of it stands
here what is used.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

if TYPE_CHECKING:
    from collections.abc import Iterator

RESOURCE = "nvidia.com/gpu"
SOCKET = "lab-gpu.sock"
TAKEN = "gpus.taken"
KUBELET = "kubelet.sock"
LOOK_S = 0.5
REGISTER_S = 60
_PACKAGE = "v1beta1"
_FIELD = descriptor_pb2.FieldDescriptorProto

# Message → its fields in order, each with its number: a scalar, or another message; `*` for a list.
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Empty": {},
    "DevicePluginOptions": {"pre_start_required": (1, "bool"), "get_preferred_allocation_available": (2, "bool")},
    "RegisterRequest": {
        "version": (1, "string"),
        "endpoint": (2, "string"),
        "resource_name": (3, "string"),
        "options": (4, "DevicePluginOptions"),
    },
    "Device": {"ID": (1, "string"), "health": (2, "string")},
    "ListAndWatchResponse": {"devices": (1, "*Device")},
    "ContainerPreferredAllocationRequest": {
        "available_deviceIDs": (1, "*string"),
        "must_include_deviceIDs": (2, "*string"),
        "allocation_size": (3, "int32"),
    },
    "PreferredAllocationRequest": {"container_requests": (1, "*ContainerPreferredAllocationRequest")},
    "ContainerPreferredAllocationResponse": {"deviceIDs": (1, "*string")},
    "PreferredAllocationResponse": {"container_responses": (1, "*ContainerPreferredAllocationResponse")},
    "ContainerAllocateRequest": {"devices_ids": (1, "*string")},
    "AllocateRequest": {"container_requests": (1, "*ContainerAllocateRequest")},
    "Env": {"key": (1, "string"), "value": (2, "string")},  # a map's entry
    "ContainerAllocateResponse": {"envs": (1, "*Env")},
    "AllocateResponse": {"container_responses": (1, "*ContainerAllocateResponse")},
}


def _classes() -> dict[str, Any]:
    """Return the message classes, made from the table above."""
    file = descriptor_pb2.FileDescriptorProto(name="lab/deviceplugin.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            plain = kind.removeprefix("*")
            label = _FIELD.LABEL_REPEATED if kind != plain else _FIELD.LABEL_OPTIONAL
            if plain in _MESSAGES:
                type_name = f".{_PACKAGE}.{plain}"
                message.field.add(name=field, number=number, label=label, type=_FIELD.TYPE_MESSAGE, type_name=type_name)
            else:
                scalar = getattr(_FIELD, f"TYPE_{plain.upper()}")
                message.field.add(name=field, number=number, label=label, type=scalar)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


class Plugin:
    """The GPUs of one node.

    Args:
        folder: The kubelet's folder of plugins, where its socket is and ours will be.
        state: JSON: `count`, how many GPUs there are, and `lost`, the indices of those that are broken. Beside it a
            socket `gpus.taken` accepts as long as the kubelet knows the GPUs.
    """

    def __init__(self, folder: Path, state: Path) -> None:
        self._folder = folder
        self._state = state
        self._classes = _classes()
        self._taken = threading.Event()

    @property
    def path(self) -> Path:
        """Our socket; the kubelet removes it when it starts."""
        return self._folder / SOCKET

    def run(self) -> None:
        """Serve until the kubelet restarts; whoever supervises this process starts it again then."""
        self.path.unlink(missing_ok=True)
        with ThreadPoolExecutor(8) as threads, socket.socket(socket.AF_UNIX) as taken:
            server = grpc.server(threads)
            server.add_generic_rpc_handlers((self._handlers(),))
            server.add_insecure_port(f"unix:{self.path}")
            server.start()
            try:
                self._register()
                while self.path.exists() and not self._taken.wait(LOOK_S):
                    pass
                if self._taken.is_set():
                    self._tell(taken)
                while self.path.exists():
                    time.sleep(LOOK_S)
            finally:
                server.stop(0)

    def _tell(self, taken: socket.socket) -> None:
        """Let whoever waits for the GPUs see that the kubelet knows them.

        Until then a kubelet that is new starts containers without the GPUs they ask for: it has not heard of the
        resource, and leaves it alone (`isDevicePluginResource` in kubernetes/pkg/kubelet/cm/devicemanager/manager.go).
        """
        place = self._state.with_name(TAKEN)
        place.unlink(missing_ok=True)
        taken.bind(str(place))
        taken.listen()

    def _register(self) -> None:
        options = self._classes["DevicePluginOptions"](get_preferred_allocation_available=True)
        request = self._classes["RegisterRequest"](
            version=_PACKAGE, endpoint=SOCKET, resource_name=RESOURCE, options=options
        )
        with grpc.insecure_channel(f"unix:{self._folder / KUBELET}") as channel:
            register = channel.unary_unary(
                f"/{_PACKAGE}.Registration/Register",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=self._classes["Empty"].FromString,
            )
            register(request, timeout=REGISTER_S, wait_for_ready=True)
        print("registered", flush=True)  # noqa: T201 - its log

    def _handlers(self) -> Any:
        def unary(request: str, answer: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(
                answer, self._classes[request].FromString, lambda message: message.SerializeToString()
            )

        watch = grpc.unary_stream_rpc_method_handler(
            self._watch, self._classes["Empty"].FromString, lambda message: message.SerializeToString()
        )
        options = self._classes["DevicePluginOptions"]
        methods = {
            "GetDevicePluginOptions": unary("Empty", lambda *_: options(get_preferred_allocation_available=True)),
            "ListAndWatch": watch,
            "GetPreferredAllocation": unary("PreferredAllocationRequest", self._prefer),
            "Allocate": unary("AllocateRequest", self._allocate),
            "PreStartContainer": unary("Empty", lambda *_: self._classes["Empty"]()),
        }
        return grpc.method_handlers_generic_handler(f"{_PACKAGE}.DevicePlugin", methods)

    def _watch(self, _request: Any, context: Any) -> Iterator[Any]:
        """Say how the devices are, and again when that changes."""
        said: Any = None
        while context.is_active():
            now = self._devices()
            if now != said:
                yield now
                self._taken.set()  # asked for the next, so this one is on its way
                said = now
            time.sleep(LOOK_S)

    def _devices(self) -> Any:
        known = json.loads(self._state.read_text())
        device = self._classes["Device"]
        devices = [
            device(ID=f"gpu-{index}", health="Unhealthy" if index in known["lost"] else "Healthy")
            for index in range(known["count"])
        ]
        return self._classes["ListAndWatchResponse"](devices=devices)

    def _prefer(self, request: Any, _context: Any) -> Any:
        """Hand out the lowest first: the first one is the one that gets lost, so that somebody notices."""
        answer = self._classes["PreferredAllocationResponse"]()
        for asked in request.container_requests:
            must = list(asked.must_include_deviceIDs)
            more = sorted(set(asked.available_deviceIDs) - set(must))
            answer.container_responses.add(deviceIDs=[*must, *more][: asked.allocation_size])
        return answer

    def _allocate(self, request: Any, _context: Any) -> Any:
        answer = self._classes["AllocateResponse"]()
        for asked in request.container_requests:
            given = answer.container_responses.add()
            given.envs.add(key="NVIDIA_VISIBLE_DEVICES", value=",".join(sorted(asked.devices_ids)))
        return answer


def main(folder: str, state: str) -> int:
    """Run the plugin; return the exit code: 1 when the kubelet did not take it, which may be better the next time."""
    try:
        Plugin(Path(folder), Path(state)).run()
    except grpc.RpcError as error:
        print(f"the kubelet did not take the plugin: {error.details()}", flush=True)  # noqa: T201 - its log
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
