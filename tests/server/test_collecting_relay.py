"""A tunnel that collects the response to a GET until it ends: clients resume in mid-answer all the same."""

import json
from contextlib import aclosing, asynccontextmanager

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

import zai
from client_programs import NODE, ROOT, run
from continuing_engine import ContinuingEngine
from headrace.server import LocalServer
from processes import SCRIPT
from replicas import replica
from turn_stores import memory, redis_server, store_kind, store_name

__all__ = ["redis_server", "replica", "store_kind", "store_name"]

pytestmark = memory

QUESTION = {"model": "glm-4.6", "messages": [{"role": "user", "content": "x"}]}
READER = """
import {Client} from "./packages/headrace-js/headrace.js";
const stream = new Client({baseUrl: process.argv[1]}).stream(JSON.parse(process.argv[2]));
for await (const _ of stream);
console.log(JSON.stringify(stream.completion.message.content));
"""


class CollectingRelay:
    """Cuts the first response. The engine ends the answer when a client has got a part of it in a later one."""

    def __init__(self, server, engine):
        self._client = httpx2.AsyncClient(base_url=server, timeout=None, trust_env=False)
        self._engine = engine
        self.methods = []

    async def __call__(self, request):
        self.methods.append(request.method)
        is_first = len(self.methods) == 1
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        sent = self._client.build_request(
            request.method, request.url.path, headers=headers, content=await request.body()
        )
        response = await self._client.send(sent, stream=True)

        async def pieces():
            async with aclosing(response), aclosing(response.aiter_raw()) as received:
                async for piece in received:
                    yield piece
                    if b'"content":' in piece:
                        if is_first:
                            return
                        self._engine.go_on()

        if not is_first:
            self._engine.go_on(16)
        if request.method == "GET":
            return Response(await response.aread())
        return StreamingResponse(pieces(), response.status_code, dict(response.headers))

    @asynccontextmanager
    async def lifespan(self, app):
        async with self._client:
            yield


@pytest.fixture
def relay(replica):
    engine = ContinuingEngine(SCRIPT, delay=0.01)
    engine.pause_after(8)
    client = replica(engine, keep_alive_interval=0.2)
    relay = CollectingRelay(client.base_url, engine)
    route = Route("/{path:path}", relay.__call__, methods=["GET", "POST", "DELETE"])
    with LocalServer(Starlette(routes=[route], lifespan=relay.lifespan)) as server:
        relay.url = f"{server.url}/api/paas/v4"
        yield relay


def test_the_sdk_resumes_by_post(relay):
    with zai.ZaiClient(api_key="id.secret", base_url=relay.url) as client:
        stream = client.chat.completions.create(**QUESTION, stream=True)
        assert "".join(stream.text_deltas()) == SCRIPT
    assert relay.methods == ["POST", "POST"]


def test_the_reader_for_pages_changes_to_post(relay):
    program = [NODE, "--input-type=module", "--eval", READER, "--", relay.url, json.dumps(QUESTION)]

    assert json.loads(run(program, cwd=ROOT)) == SCRIPT  # never, if it kept to GET
    assert relay.methods[-1] == "POST"
