from contextlib import ExitStack

import httpx2
import pytest

from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings

TEMPLATE = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"


@pytest.fixture
def serve():
    """Serve an engine as glm-4.6, and return a client."""
    with ExitStack() as open_until_the_end:

        def start(engine, **settings):
            model = Model(("glm-4.6", "headrace-tiny"), engine, FORMATS["glm-4.6"], ChatTemplate(TEMPLATE))
            app = App(ModelRegistry([model]), Settings(**settings))
            server = open_until_the_end.enter_context(LocalServer(app))
            return open_until_the_end.enter_context(httpx2.Client(base_url=server.url, trust_env=False))

        yield start
