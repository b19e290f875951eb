"""Images in a conversation, sent to llama.cpp's own server, whose projector has random weights."""

import base64
import struct
import zlib

import httpx2
import pytest

from headrace.configuration import ModelOptions
from headrace.configuration.discovery import discover_models
from headrace.models.loading import load_model
from headrace.server import App, LocalServer, ModelRegistry, Settings
from llama_cpp_server import LlamaCppServer
from peer_answers import body
from peer_servers import PEERS, smollm2
from wire_client import CHAT


def png(width, height, color):
    rows = (b"\0" + bytes(color) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    ]
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).decode()


@pytest.fixture(scope="module")
def client():
    with LlamaCppServer(model=smollm2(), projector=PEERS / "projector.gguf", context=1024) as peer:
        options = ModelOptions("", "here", {"url": f"{peer.url}/v1", "engine": "chat"})
        (found,) = discover_models(options, {})
        with (
            LocalServer(
                App(ModelRegistry([load_model("glm-4.6", found.options.settings())]), Settings())
            ) as server,
            httpx2.Client(base_url=server.url, trust_env=False, timeout=120) as client,
        ):
            yield client


def ask(client, *urls):
    images = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    content = [{"type": "text", "text": "Compare"}, *images, {"type": "text", "text": "please."}]
    messages = [{"role": "user", "content": content}]
    response = client.post(CHAT, json=body("", messages=messages, stream=False, max_tokens=4))
    return response.status_code, response.json()


def prompt_tokens(client, *urls):
    status, answer = ask(client, *urls)
    assert status == 200, answer
    return answer["usage"]["prompt_tokens"]


def test_that_the_model_sees_images_is_detected(client):
    (model,) = client.get("/v1/models").json()["data"]

    assert model["capabilities"]["images"]


def test_each_image_has_its_tokens_in_the_prompt(client):
    red, blue = (png(64, 48, color) for color in ((255, 0, 0), (0, 0, 255)))
    without, one, two = (prompt_tokens(client, *urls) for urls in ((), (red,), (red, blue)))

    assert two - one == one - without > 0


def test_base64_with_and_without_its_type_is_the_same_image(client):
    image = png(20, 30, (0, 255, 0))

    assert prompt_tokens(client, image) == prompt_tokens(client, f"data:image/png;base64,{image}")


def test_what_is_no_image_is_the_clients_error(client):
    status, answer = ask(client, base64.b64encode(b"\x89PNG\r\n\x1a\n nothing else").decode())

    assert (status, answer["error"]["code"]) == (400, "1214")
