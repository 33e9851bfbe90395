"""The ONNX model in KServe's server: `python kserve_server.py PORT NAME FILE`; started by `contenders`.

Runs in KServe's environment, so it imports nothing of ours.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import onnxruntime
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class OnnxModel(Model):  # type: ignore[misc]  # KServe is not installed here
    """One model.

    Args:
        name: In the path of a request.
        file: The ONNX file.
    """

    def __init__(self, name: str, file: str) -> None:
        super().__init__(name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # like every other contender
        self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self.ready = True

    async def predict(self, payload: InferRequest, *_: Any, **__: Any) -> InferResponse:
        """Run it once."""
        values = self._session.run(None, {item.name: item.as_numpy() for item in payload.inputs})
        outputs = []
        for described, value in zip(self._session.get_outputs(), values, strict=True):
            output = InferOutput(name=described.name, shape=list(value.shape), datatype="FP32")
            output.set_data_from_numpy(value, binary_data=False)
            outputs.append(output)
        return InferResponse(response_id=payload.id or "", model_name=self.name, infer_outputs=outputs)


if __name__ == "__main__":
    port, name, file = sys.argv[1:]
    logging.disable(logging.INFO)  # three lines a request; nobody else writes any
    ModelServer(http_port=int(port), enable_grpc=False, access_log_format=None).start([OnnxModel(name, file)])
