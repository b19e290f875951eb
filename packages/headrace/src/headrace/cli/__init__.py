"""The `headrace` program: one module for each command."""
