"""The floor: a hand-written asyncio protocol that knows one model and checks nothing.

Started by `contenders`; what any Python server must spend on a request is measured with it. Not a server for anybody.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, cast

import numpy as np
import onnxruntime
import orjson
import uvloop

from model_server.bench.wire import LENGTH, number

_JSON_LENGTH = b"inference-header-content-length: "


class Floor(asyncio.Protocol):
    """One connection; requests come one after the other.

    Args:
        session: Of ONNX Runtime.
    """

    def __init__(self, session: Any) -> None:
        self._run = session.run
        self._input = session.get_inputs()[0].name
        self._output = session.get_outputs()[0].name
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's do not inherit from it

    def data_received(self, data: bytes) -> None:
        """Answer when the request is whole."""
        self._buffer = self._buffer + data if self._buffer else data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        size = number(self._buffer, LENGTH, head)
        if len(self._buffer) < head + 4 + size:
            return
        json_size = number(self._buffer, _JSON_LENGTH, head)
        body = self._buffer[head + 4 :]
        self._buffer = b""
        self._transport.write(self._answer(body, json_size))

    def _answer(self, body: bytes, json_size: int) -> bytes:
        document = orjson.loads(body[:json_size] if json_size else body)
        item = document["inputs"][0]
        if json_size:
            array = np.frombuffer(body, np.float32, offset=json_size) if json_size % 4 == 0 else _copy(body, json_size)
        else:
            array = np.array(item["data"], np.float32)
        [result] = self._run(None, {self._input: array.reshape(item["shape"])})
        described: dict[str, Any] = {"name": self._output, "datatype": "FP32", "shape": result.shape}
        extra = b""
        if json_size:
            described["parameters"] = {"binary_data_size": result.nbytes}
            extra = result.tobytes()
        else:
            described["data"] = result.ravel()
        answer = {"model_name": "m", "model_version": "1", "outputs": [described]}
        content = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
        more = b"%s%d\r\n" % (_JSON_LENGTH, len(content)) if json_size else b""
        return b"HTTP/1.1 200 OK\r\n%s%d\r\n%s\r\n%s%s" % (LENGTH, len(content) + len(extra), more, content, extra)


def _copy(body: bytes, at: int) -> Any:
    return np.frombuffer(body[at:], np.float32)


async def _serve(port: int, file: str) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    server = await asyncio.get_running_loop().create_server(lambda: Floor(session), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), sys.argv[2]))
