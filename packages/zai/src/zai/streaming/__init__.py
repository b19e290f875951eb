"""Streamed completions: bytes → chunks → events, deadlines, and reconnects."""
