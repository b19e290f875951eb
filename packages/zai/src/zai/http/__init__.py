"""Sending requests: encoding, transports, timeouts, retries, errors."""
