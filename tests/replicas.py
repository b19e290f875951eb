"""Replicas of a deployment: servers over one store, each with an engine of its own."""

import json
from contextlib import ExitStack

import httpx2
import pytest

from continuing_engine import ASSISTANT
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings
from headrace.sse import DONE, SseDecoder
from turn_stores import settings
from wire_client import deltas

__all__ = ["RESUMABLE", "TEMPLATE", "content", "events_after", "ids", "replica"]

RESUMABLE = {"x-headrace-resumable": "1"}
TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}" + ASSISTANT


@pytest.fixture
def replica(store_name):
    """Starts another replica over the same store, with the given engine; returns a client for it."""
    with ExitStack() as stack:

        def start(engine, *, api_keys=(), keep_alive_interval=15.0, store=store_name, **limits):
            model = Model(("glm-4.6",), engine, FORMATS["glm-4.6"], ChatTemplate(TEMPLATE))
            turns = settings(store=store, **limits)
            app = App(
                ModelRegistry([model]),
                Settings(api_keys=api_keys, keep_alive_interval=keep_alive_interval, turns=turns),
            )
            server = stack.enter_context(LocalServer(app))
            client = httpx2.Client(base_url=server.url, trust_env=False, timeout=20)
            return stack.enter_context(client)

        yield start


def events_after(client, id, after=None, **request):
    """Read the events of a turn after the one with that id, up to `[DONE]`."""
    headers = {} if after is None else {"last-event-id": str(after)}
    response = client.get(f"/api/paas/v4/chat/completions/{id}", headers=headers, **request)
    assert response.status_code == 200, response.text
    return SseDecoder().feed(response.content)


def content(events):
    """The text of the events."""
    return "".join(deltas([json.loads(event.data) for event in events if event.data != DONE], "content"))


def ids(events):
    """Their numbers."""
    return [int(event.id) for event in events if event.data != DONE]
