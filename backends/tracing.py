"""Traces of an engine's work, by OpenTelemetry (the extra ``fleetui[otel]``).

Owns: `EngineTraces`, a `fleetui.engine.telling.Listener`: a span for each reconcile, with the Events of its writes.
Where they go is told by OpenTelemetry's own environment (``OTEL_EXPORTER_OTLP_ENDPOINT`` and its like). Called by the
composition root.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fleetui.engine.application import Application
from fleetui.engine.events import Told, told_by
from fleetui.model.errors import ToolMissingError
from fleetui.model.objects import Obj
from fleetui.model.text import masked, one_line

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor


class EngineTraces:
    """Sends spans until it is closed.

    Args:
        processor: what is done with spans; None sends them by OTLP over HTTP.

    Raises:
        ToolMissingError: the extra is not installed.
    """

    def __init__(self, processor: SpanProcessor | None = None) -> None:
        try:
            from opentelemetry import trace
            from opentelemetry.sdk.resources import SERVICE_NAME, Resource
            from opentelemetry.sdk.trace import TracerProvider
        except ImportError as error:
            raise _missing() from error
        self._provider = TracerProvider(resource=Resource.create({SERVICE_NAME: "fleetui-engine"}))
        self._provider.add_span_processor(processor or _over_http())
        self._tracer = self._provider.get_tracer("fleetui.engine")
        self._current = trace.get_current_span

    def close(self) -> None:
        """Sends what still waits, and ends."""
        self._provider.shutdown()

    def wrote(self, before: Application, after: Application) -> None:
        """Notes the Events of a write in the span of the reconcile that made it."""
        for told in told_by(before, after):
            self._current().add_event(told.reason, {"message": told.message})

    def generated(self, appset: Obj, told: Told) -> None:
        """Notes what was done for an ApplicationSet where a span is open."""
        self._current().add_event(told.reason, {"message": told.message})

    @contextmanager
    def reconciling(self, namespace: str, name: str) -> Iterator[None]:
        """The span of a reconcile; an error that ends it is recorded there."""
        attributes = {"argocd.app.namespace": namespace, "argocd.app.name": name}
        with self._tracer.start_as_current_span("reconcile", attributes=attributes):
            yield


def _over_http() -> SpanProcessor:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise _missing() from error
    logging.getLogger(OTLPSpanExporter.__module__).addFilter(PlainWords())
    return BatchSpanProcessor(OTLPSpanExporter())


class PlainWords(logging.Filter):
    """What the exporter logs, in one sentence: each try is none, and the last says where to."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.ERROR:
            return False
        names = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
        where = next((os.environ[name] for name in names if os.environ.get(name)), "http://localhost:4318")
        _, answered, answer = record.getMessage().partition("code: ")
        why = f"it answers {answer}" if answered else "does a collector listen there?"
        record.msg, record.args = "traces can't be sent to %s (%s)", (masked(where), one_line(why))
        return True


def _missing() -> ToolMissingError:
    return ToolMissingError("traces need OpenTelemetry, which is not installed", "pip install 'fleetui[otel]'")
