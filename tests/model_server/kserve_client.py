"""KServe's clients against our server: `python kserve_client.py URL HOST:PORT`, in an environment that has KServe.

Prints what they got as JSON; `test_server_kserve` judges it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import numpy as np
from kserve import InferInput, InferRequest
from kserve.inference_client import InferenceGRPCClient, InferenceRESTClient, RESTConfig
from kserve.protocol.infer_type import RequestedOutput


def question(*, binary: bool, wanted_binary: bool | None = None) -> Any:
    given = InferInput("input", [2, 20], "FP32")
    given.set_data_from_numpy(np.ones((2, 20), np.float32), binary_data=binary)
    wanted = [] if wanted_binary is None else [RequestedOutput("output", parameters={"binary_data": wanted_binary})]
    return InferRequest("mlp", [given], request_id="7", request_outputs=wanted)


def seen(answer: Any) -> dict[str, Any]:
    [output] = answer.outputs
    return {"id": answer.id, "model": answer.model_name, "sums": output.as_numpy().sum(axis=1).tolist()}


async def over_http(url: str) -> dict[str, Any]:
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    found: dict[str, Any] = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model": await client.is_model_ready(url, "mlp"),
        "answers": [
            seen(await client.infer(url, question(binary=binary, wanted_binary=wanted), "mlp"))
            for binary in (False, True)
            for wanted in (False, True)
        ],
    }
    try:
        await client.infer(url, question(binary=False), "nobody")
    except Exception as error:  # noqa: BLE001 - what it says is what the test wants
        found["error"] = str(error)
    return found


async def over_grpc(target: str) -> dict[str, Any]:
    async with InferenceGRPCClient(target, retries=0) as client:
        return {
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "model": await client.is_model_ready("mlp"),
            "answers": [seen(await client.infer(question(binary=binary))) for binary in (False, True)],
        }


async def main(url: str, target: str) -> None:
    print(json.dumps({"http": await over_http(url), "grpc": await over_grpc(target)}))  # noqa: T201 - its whole purpose


asyncio.run(main(*sys.argv[1:]))
