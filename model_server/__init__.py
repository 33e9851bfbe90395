"""The ONNX Runtime inference server that every chapter deploys, breaks and measures; it stands alone.

Modules from the outside in: `__main__` (start-up), `serve` (uvicorn and the drain), `entrance` (who answers what),
`infer` (predictions) with `codec` (the protocol's bytes) and `predictions` (what gRPC shares), `rpc` (gRPC), `app` and
`control` (all other endpoints) with `openapi` (what they say of themselves), `repository` and `runtime` (models that
are served), `catalogue`, `model_config`, `artifacts` and `guard` (models on disk), `providers` (hardware), `worker`
(batching), `stats`, `metrics`, `traces` and `logs` (what happened), `config`, `cgroup`, `faults`, `errors`. `models`
and `onnx_writer` make the labs' models, `bench` measures; the server uses none of them. Nothing here imports `labs`,
`grader` or `tui`.
"""

import os

# ONNX Runtime (1.32, Linux) tells its makers of every session, over the network, from threads of its own. A server
# in a cluster tells nobody; whoever wants it sets the variable to 0. It is read when the library is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
