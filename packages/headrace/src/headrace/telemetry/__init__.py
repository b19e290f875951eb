"""What operators see of a running server beside its metrics: the log, and traces."""
