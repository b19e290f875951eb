"""Settings of every test: Hypothesis profiles, no proxy, an error for calls that block the event loop, and the log."""

import logging
import os
import sys
import threading
from inspect import iscoroutinefunction

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings

from headrace import http1

# The tests' servers are on this machine; a test of proxies sets its own.
for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[variable]

# `fast` always, with the same examples in each run; `make nightly` looks for new ones.
settings.register_profile("fast", max_examples=15, deadline=None, derandomize=True)
settings.register_profile(
    "nightly", max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "fast")
settings.load_profile(PROFILE)


IS_COMPILED = not http1.__file__.endswith(".py")

# Files that take long, mostly to wait, are begun first, so that what only computes fills the gaps until the end.
FIRST = {"cli", "server", "turns", "zai", "test_chaos.py", "test_parser.py"}


def pytest_collection_modifyitems(items):
    """Skip what takes long; at night, ten thousand examples take longer than a test may take that hangs."""
    items.sort(key=lambda item: FIRST.isdisjoint(item.path.parts))
    for item in items:
        if PROFILE == "nightly":
            item.add_marker(pytest.mark.timeout(0))
        elif item.get_closest_marker("nightly"):
            item.add_marker(pytest.mark.skip("part of `make nightly`"))
        if IS_COMPILED and item.get_closest_marker("interpreted"):
            item.add_marker(pytest.mark.skip("replaces a part of what is compiled"))


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop(request):
    """A call that blocks, made by our code within an event loop, is an error."""
    if not iscoroutinefunction(request.function):
        yield
        return
    with blockbuster_ctx(["headrace", "zai"]) as blocker:
        # A thread would cost a hundred times as much as the status of a local file, fifty times a second.
        blocker.functions["os.stat"].can_block_in("turns/sqlite_wal.py", {"has_changed"})
        yield


@pytest.fixture(autouse=True)
def logging_as_before():
    """Undo what `main` has changed: it configures the log of its process, and tests share one."""
    root, own = logging.getLogger(), logging.getLogger("headrace")
    handlers, level = list(root.handlers), own.level
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    for handler in list(root.handlers):
        if handler not in handlers:
            handler.flush()
            root.removeHandler(handler)
    own.setLevel(level)
    logging.captureWarnings(capture=False)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
