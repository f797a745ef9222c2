"""OpenTelemetry's SDK for the scripts here: the official SDK makes spans of its own, and where OTLP_TRACES names a receiver
they go there, each when it ends.
"""

import os


def export(service):
    url = os.environ.get("OTLP_TRACES")
    if not url:
        return
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=url)))
    trace.set_tracer_provider(provider)
