"""Several processes that serve together: a supervisor, and workers that it starts and replaces."""
