"""A chat backend: relays resumable streams to browsers, and keeps the API key to itself.

.venv/bin/uvicorn --app-dir examples chat_backend:app --port 8001

Open http://127.0.0.1:8001, ask for a poem, and reload the page in mid-answer: it shows what was written so
far, and then the rest. The embedded model answers in a fraction of a second; to have the time, play a
recording slowly (docs/engines.md) or serve a larger model. If all readers leave, Headrace stops the model
after `--linger` seconds; the button Stop stops it at once.

With a real model you would add: users, and a check that a turn belongs to the user who reads it. Here, the
random id of a turn is the permission to read it.
"""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import httpx2
from fastapi import FastAPI, Header, HTTPException
from fastapi import Path as InPath
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import BaseModel

PAGE = Path(__file__).with_suffix(".html")
TurnId = Annotated[str, InPath(pattern="^[A-Za-z0-9_-]{22}$")]

headrace = httpx2.AsyncClient(
    base_url=os.environ.get("ZAI_BASE_URL", "http://127.0.0.1:8000/api/paas/v4"),
    headers={"Authorization": f"Bearer {os.environ.get('ZAI_API_KEY', 'any')}"},
    timeout=httpx2.Timeout(10, read=300),
    trust_env=False,
)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with headrace:
        yield


app = FastAPI(lifespan=lifespan)


class Chat(BaseModel):
    """The body of a request: the conversation so far."""

    messages: list[dict[str, str]]


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(PAGE)


@app.post("/turns")
async def start(chat: Chat) -> dict[str, str]:
    """Start an answer and return its id as soon as the model has begun; the browser reads it with `read`."""
    turn = secrets.token_urlsafe(16)
    body = {"model": "glm-4.6", "stream": True, "request_id": turn, "messages": chat.messages}
    response = await send("POST", "chat/completions", json=body, headers={"X-Headrace-Resumable": "1"})
    await response.aclose()  # the turn continues: a client that knows its id can come back
    return {"id": turn}


@app.get("/turns/{turn}")
async def read(turn: TurnId, last_event_id: Annotated[str | None, Header()] = None) -> StreamingResponse:
    """Relay the events of an answer, from the beginning or after the last one that the browser has seen."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    response = await send("GET", f"chat/completions/{turn}", headers=headers)
    return StreamingResponse(relay(response), media_type="text/event-stream")


@app.delete("/turns/{turn}")
async def stop(turn: TurnId) -> Response:
    await (await send("DELETE", f"chat/completions/{turn}")).aclose()
    return Response(status_code=204)


async def send(method: str, path: str, **request: object) -> httpx2.Response:
    """Send a request and return the response, whose body is still to be read; errors are passed on."""
    try:
        response = await headrace.send(headrace.build_request(method, path, **request), stream=True)
    except httpx2.TransportError as error:
        raise HTTPException(502, f"the model server is not available: {error}") from None
    if response.status_code != httpx2.codes.OK:
        detail = (await response.aread()).decode()
        raise HTTPException(response.status_code, detail)
    return response


async def relay(response: httpx2.Response) -> AsyncIterator[bytes]:
    try:
        async for data in response.aiter_raw():
            yield data
    finally:
        await response.aclose()  # also if the browser disconnects
