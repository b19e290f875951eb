"""Replicas under a manager of processes that imports them."""
