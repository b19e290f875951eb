"""HTTP/1.1 to model servers: our own client, so that bytes reach the listener without a task in between."""

from headrace.engines.http.transport import HttpTransport, tls_context

__all__ = ["HttpTransport", "tls_context"]
