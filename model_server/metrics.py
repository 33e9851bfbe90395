"""The Prometheus page, made from `stats` when it is asked for, so that requests do not pay for it.

`app` serves `page`. Names start with `inference_`; the labels are the model and its version, both from
the repository, so that no client can add a series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

import model_server
from model_server.stats import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client.core import Metric

    from model_server.runtime import Model
    from model_server.state import State
    from model_server.stats import Histogram

_LABELS = ("model", "version")

_HISTOGRAMS: tuple[tuple[str, str, Callable[[Model], Histogram]], ...] = (
    ("inference_request_duration_seconds", "Whole requests", lambda model: model.stats.request),
    ("inference_queue_duration_seconds", "Waiting for the worker", lambda model: model.stats.queue),
    ("inference_compute_duration_seconds", "Execution that carried the request", lambda model: model.stats.compute),
    ("inference_batch_size", "Rows per execution", lambda model: model.stats.batch_rows),
)
_GAUGES: tuple[tuple[str, str, Callable[[Model], float]], ...] = (
    ("inference_requests_in_flight", "Requests begun and not ended", lambda model: model.in_flight),
    ("inference_queue_depth", "Requests waiting for the worker", lambda model: model.pending),
    ("inference_model_ready", "1 when a request would succeed", lambda model: model.problem is None),
    ("inference_model_load_seconds", "From file to the end of warm-up", lambda model: model.stats.load_seconds),
)


class _Stats(Collector):
    """Reads the models' counters when Prometheus asks."""

    def __init__(self, state: State) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        """Yield every family."""
        models = list(self._state.repository)
        requests = CounterMetricFamily("inference_requests", "Requests by how they ended", labels=(*_LABELS, "outcome"))
        info = GaugeMetricFamily("inference_model_info", "Always 1", labels=(*_LABELS, "platform", "provider"))
        provider = GaugeMetricFamily(
            "inference_execution_provider",
            "1 when the session runs on what was asked for first, else 0",
            labels=(*_LABELS, "requested", "active"),
        )
        for model in models:
            if model.active_providers:
                wanted, active = model.config.providers[0].full_name, model.provider
                provider.add_metric((*_names(model), wanted, active), float(wanted == active))
            for outcome in OUTCOMES:
                requests.add_metric((*_names(model), outcome), model.stats.outcomes[outcome])
            info.add_metric((*_names(model), "onnxruntime", model.provider), 1)
        yield requests
        yield info
        yield provider
        for name, text, read in _HISTOGRAMS:
            yield _histogram(name, text, models, read)
        for name, text, value in _GAUGES:
            gauge = GaugeMetricFamily(name, text, labels=_LABELS)
            for model in models:
                gauge.add_metric(_names(model), float(value(model)))
            yield gauge
        yield from self._server()

    def _server(self) -> Iterable[Metric]:
        yield CounterMetricFamily(
            "inference_unknown_model_requests",
            "Requests for a model that is not here",
            value=self._state.unknown_requests,
        )
        yield GaugeMetricFamily(
            "inference_session_threads", "Threads per model", value=self._state.settings.session_threads
        )
        yield GaugeMetricFamily(
            "inference_server_ready", "1 while readiness answers 200", value=self._state.problem() is None
        )
        build = GaugeMetricFamily("inference_server_info", "Always 1", labels=("version",))
        build.add_metric((model_server.__version__,), 1)
        yield build


def _names(model: Model) -> tuple[str, str]:
    return (model.name, str(model.version))


def _histogram(name: str, text: str, models: list[Model], read: Callable[[Model], Histogram]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=_LABELS)
    for model in models:
        histogram = read(model)
        buckets: list[tuple[str, float]] = []
        running = 0
        for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
            running += count
            buckets.append(("+Inf" if bound == float("inf") else f"{bound:g}", running))
        family.add_metric(_names(model), buckets, histogram.total)
    return family


def registry(state: State) -> CollectorRegistry:
    """Return a registry with this server's families and the process's own (memory, CPU, start time)."""
    result = CollectorRegistry()
    result.register(_Stats(state))
    ProcessCollector(registry=result)
    PlatformCollector(registry=result)
    return result


def page(source: CollectorRegistry) -> bytes:
    """Return the page in Prometheus' text format."""
    return generate_latest(source)
