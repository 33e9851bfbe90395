"""The ONNX Runtime inference server that every chapter deploys, breaks and measures; it stands alone.

Modules from the outside in: `__main__` (start-up), `serve` (uvicorn and the drain), `app` (all endpoints but one),
`infer` (that one), `codec` (the protocol's bytes), `repository` and `runtime` (models on disk and in memory), `worker`
(batching), `stats` and `metrics` (what happened), `config`, `cgroup`, `faults`, `logs`, `errors`. `models` and
`onnx_writer` make the labs' models and are not used by the server. Nothing here imports `labs`, `grader` or `tui`.
"""

__version__ = "0.1.0"
