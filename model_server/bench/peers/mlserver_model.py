"""The ONNX model as a runtime of MLServer, which imports this file from a folder that `contenders` makes."""

from __future__ import annotations

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxModel(MLModel):  # type: ignore[misc]  # MLServer is not installed here
    """Runs the file that `model-settings.json` names."""

    async def load(self) -> bool:
        """Open the session, on one thread like every other contender."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            self.settings.parameters.uri, options, providers=["CPUExecutionProvider"]
        )
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Run it once."""
        feeds = {item.name: NumpyCodec.decode_input(item) for item in payload.inputs}
        values = self._session.run(None, feeds)
        names = [output.name for output in self._session.get_outputs()]
        outputs = [NumpyCodec.encode_output(name, value) for name, value in zip(names, values, strict=True)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
