"""`python -m model_server`: settings, models, port, serve.

Heavy modules are imported late on purpose: a wrong setting or a missing model is told within a tenth of a second, and
the port opens before ONNX Runtime is loaded.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from typing import NoReturn

gc.disable()  # imports make objects that stay; looking for garbage among them takes a tenth of the cold start
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # NumPy only copies here; its thread pool would cost memory for nothing

from model_server import config, faults, logs  # noqa: E402 - after the variables that their imports read
from model_server.errors import StartupError  # noqa: E402 - as above


def main() -> int:
    """Run the server and return the exit code: 0 after a drain, 1 for a missing model, 2 for a wrong setting."""
    logs.configure("info")
    try:
        settings = config.load(sys.argv[1:], os.environ)
        logs.configure(settings.log_level)
        switches = faults.from_environment(os.environ, enabled=settings.enable_faults)
        _serve(settings, switches)
    except StartupError as error:
        logs.event(logging.ERROR, error.message, **error.fields)
        return error.exit_code
    return 0


def _serve(settings: config.Settings, switches: faults.Faults) -> None:
    from model_server import providers, repository  # noqa: PLC0415 - NumPy, not needed to refuse a setting

    models = repository.open_repository(settings, switches)
    providers.check_installation()
    if settings.provider_policy == "require" and (reason := providers.unavailable(settings.wanted_providers)):
        raise StartupError("execution provider not available", exit_code=1, reason=reason, policy="require")
    from model_server import entrance, serve, state, traces  # noqa: PLC0415 - uvicorn, not needed to miss a model
    from model_server.rpc import server as rpc  # noqa: PLC0415 - as above

    if settings.grpc_port:
        rpc.check_installation()
    shared = state.State(settings, models, switches, traces.from_settings(settings, os.environ))
    listener = serve.listen(settings.host, settings.port)
    if settings.grpc_port:  # grpcio opens its port itself, later, and does not say why it cannot
        serve.listen(settings.host, settings.grpc_port).close()
    logs.event(
        logging.INFO, "starting", model_path=str(settings.model_path), models=[model.label for model in models],
        threads=settings.session_threads, cpu_quota=settings.cpu_quota, faults=settings.enable_faults,
    )  # fmt: skip
    switches.start_leak()
    application = entrance.Entrance(shared)
    models.load_in_background()
    gc.freeze()  # what is there by now stays: later collections need not look at it
    gc.enable()
    grpc = rpc.RpcServer(shared, application.infer.predictions) if settings.grpc_port else None
    serve.run(application, listener, shared, grpc)


def _leave(code: int) -> NoReturn:
    """End the process without taking the interpreter down, which is SIGABRT for a thread that is in ONNX Runtime then.

    That is one that still loads, after a port that was taken or a short drain, or runs what nobody waits for any more.
    """
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    _leave(main())
