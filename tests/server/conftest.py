from contextlib import ExitStack

import httpx2
import pytest

from headrace import reached_limits
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings

TEMPLATE = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"


@pytest.fixture(autouse=True)
def unlogged(monkeypatch):
    """No limit has been logged yet."""
    monkeypatch.setattr(reached_limits, "_next_log", {})


@pytest.fixture
def serve():
    """Serve an engine as glm-4.6, and return a client."""
    with ExitStack() as open_until_the_end:

        def start(engine, **settings):
            model = Model(("glm-4.6", "headrace-tiny"), engine, FORMATS["glm-4.6"], ChatTemplate(TEMPLATE))
            chosen = Settings(**settings)
            server = open_until_the_end.enter_context(
                LocalServer(App(ModelRegistry([model]), chosen), chosen)
            )
            return open_until_the_end.enter_context(httpx2.Client(base_url=server.url, trust_env=False))

        yield start
