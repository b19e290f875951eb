"""Python functions that a model calls, and the rounds in which it does."""
