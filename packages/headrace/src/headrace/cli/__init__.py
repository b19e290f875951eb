"""The `headrace` program: one module a command."""
