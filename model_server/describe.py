"""The documents about server and models: metadata, Triton's configuration, Triton's statistics.

`app` serves them. Plain dictionaries, since the protocol's own documents are their specification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import model_server
from model_server.providers import CPU
from model_server.runtime import PLATFORM

if TYPE_CHECKING:
    from model_server.runtime import Model, Tensor
    from model_server.stats import Histogram, Span

_NANOSECONDS = 1e9


def server() -> dict[str, Any]:
    """Return the server's metadata."""
    return {
        "name": "model-server",
        "version": model_server.__version__,
        "extensions": ["binary_tensor_data", "model_configuration", "model_repository", "statistics"],
    }


def metadata(model: Model, versions: list[str]) -> dict[str, Any]:
    """Return a model's metadata.

    Args:
        model: Loaded.
        versions: All versions of that name.
    """
    return {
        "name": model.name,
        "versions": versions,
        "platform": PLATFORM,
        "inputs": [_tensor(tensor) for tensor in model.inputs.values()],
        "outputs": [_tensor(tensor) for tensor in model.outputs.values()],
        "execution_provider": _provider(model),
    }


def _provider(model: Model) -> dict[str, Any]:
    return {
        "requested": [provider.full_name for provider in model.config.providers],
        "active": model.active_providers,
        "policy": model.config.provider_policy,
    }


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype.name, "shape": list(tensor.shape)}


def configuration(model: Model) -> dict[str, Any]:
    """Return a model's configuration in Triton's form, where the batch dimension of a batched model is left out."""
    batched = model.max_batch_size > 0

    def described(tensor: Tensor) -> dict[str, Any]:
        dims = tensor.shape[1:] if batched else tensor.shape
        return {"name": tensor.name, "data_type": tensor.datatype.triton, "dims": list(dims)}

    document: dict[str, Any] = {
        "name": model.name,
        "platform": PLATFORM,
        "backend": "onnxruntime",
        "max_batch_size": model.max_batch_size,
        "input": [described(tensor) for tensor in model.inputs.values()],
        "output": [described(tensor) for tensor in model.outputs.values()],
        "instance_group": [
            {"kind": "KIND_CPU" if model.provider == CPU else "KIND_GPU", "count": model.config.instances}
        ],
        "parameters": {
            "intra_op_thread_count": {"string_value": str(model.config.threads)},
            "execution_providers": {"string_value": ",".join(model.active_providers)},
            "queue_size": {"string_value": str(model.config.queue_size)},
            "deadline_seconds": {"string_value": f"{model.config.deadline_seconds:g}"},
        },
    }
    if batched:
        document["dynamic_batching"] = {"max_queue_delay_microseconds": 0}
    return document


def statistics(model: Model) -> dict[str, Any]:
    """Return a model's counters in Triton's form; durations in nanoseconds."""
    stats = model.stats
    executions = sum(span.count for span in stats.batches.values())
    compute, queue = stats.compute, stats.queue
    return {
        "name": model.name,
        "version": str(model.version),
        "last_inference": int(stats.last_inference * 1000),
        "inference_count": sum(rows * span.count for rows, span in stats.batches.items()),
        "execution_count": executions,
        "inference_stats": {
            "success": {
                "count": stats.outcomes["success"],
                "ns": max(0, _ns(stats.request.total - stats.failures.seconds)),
            },
            "fail": _span(stats.failures),
            "queue": _histogram(queue),
            "compute_input": _span(stats.decode),
            "compute_infer": _histogram(compute),
            "compute_output": _span(stats.encode),
        },
        "batch_stats": [
            {"batch_size": rows, "compute_infer": _span(span)} for rows, span in sorted(stats.batches.items())
        ],
    }


def _ns(seconds: float) -> int:
    return int(seconds * _NANOSECONDS)


def _span(span: Span) -> dict[str, int]:
    return {"count": span.count, "ns": _ns(span.seconds)}


def _histogram(histogram: Histogram) -> dict[str, int]:
    return {"count": histogram.count, "ns": _ns(histogram.total)}
