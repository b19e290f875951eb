"""Settings of every test: Hypothesis profiles, no proxy, and an error for calls that block the event loop."""

import os
from inspect import iscoroutinefunction

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings

# The tests' servers are on this machine; a test of proxies sets its own.
for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[variable]

# `fast` always, with the same examples in each run; `make nightly` looks for new ones.
settings.register_profile("fast", max_examples=25, deadline=None, derandomize=True)
settings.register_profile(
    "nightly", max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "fast")
settings.load_profile(PROFILE)


def pytest_collection_modifyitems(items):
    """Ten thousand examples take longer than a test may take that hangs."""
    if PROFILE == "nightly":
        for item in items:
            item.add_marker(pytest.mark.timeout(0))


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop(request):
    """A call that blocks, made by our code within an event loop, is an error."""
    if not iscoroutinefunction(request.function):
        yield
        return
    with blockbuster_ctx(["headrace", "zai"]):
        yield
