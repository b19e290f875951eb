"""The shutdown of `headrace serve` by signals, as an operator sees it: status, exit code, standard error."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter

import httpx2

from scripted_server import Reply, ScriptedServer, sse
from wire_client import CHAT, chunks_of, events_of

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
STREAMS = 20


async def read(client, number, began):
    headers = {"x-headrace-resumable": "1"} if number % 2 else {}
    body = b""
    async with client.stream("POST", CHAT, json=BODY, headers=headers) as response:
        try:
            async for piece in response.aiter_raw():
                body += piece
                began.add(number)
        except httpx2.RemoteProtocolError:
            return body, True
    return body, False


async def shut_down(server, url):
    """Open the streams, and shut the server down; return what they got, and the answers while it drains."""
    async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        began = set()
        reading = [asyncio.create_task(read(client, number, began)) for number in range(STREAMS)]
        while len(began) < STREAMS:
            await asyncio.sleep(0.01)
        server.send_signal(signal.SIGTERM)
        resumable = await asyncio.gather(*reading[1::2])
        answers = [await client.get(path) for path in ("/readyz", "/healthz")]
        answers.append(await client.post(CHAT, json=BODY))
        assert not any(task.done() for task in reading[::2])
        server.send_signal(signal.SIGTERM)
        return resumable, await asyncio.gather(*reading[::2]), answers


def test_sigterm_hands_resumable_streams_over_and_the_second_one_ends_the_others(tmp_path):
    forever = threading.Event()
    upstream = ScriptedServer(Reply([sse({"choices": [{"index": 0, "text": "Hello"}]}), forever]))
    with upstream:
        (tmp_path / "headrace.toml").write_text(
            f'[server]\nport = 0\n[turns]\nstore = "sqlite:turns.db"\n[models.m]\nengine = "completions"\n'
            f'url = "{upstream.url}"\nformat = "text"\n'
            "chat_template = '{% for m in messages %}{{ m.role }}{{ m.content }}{% endfor %}'\n"
        )
        command = [sys.executable, "-m", "headrace", "serve"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, cwd=tmp_path, env=os.environ, **pipes) as server:
            url = server.stdout.readline().split()[2].removesuffix("/api/paas/v4")
            resumable, others, (ready, healthy, refused) = asyncio.run(shut_down(server, url))
            code = server.wait(60)
            logged = server.stderr.read()
        forever.set()

    assert all(was_cut and b"reconnect with Last-Event-ID" in body for body, was_cut in resumable)
    assert all(events_of(body)[0].id == "1" for body, _ in resumable)
    assert (ready.status_code, healthy.status_code, refused.status_code) == (503, 200, 503)
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["connection"] == "close"
    for body, was_cut in others:
        assert not was_cut
        assert chunks_of(body)[-1]["choices"][0]["finish_reason"] == "network_error"
    outcomes = Counter(re.findall(r" outcome=(\w+)", logged))
    assert (code, outcomes) == (
        -signal.SIGTERM,
        {"handed_over": STREAMS / 2, "shutdown": STREAMS / 2 + 1},  # and the request that was refused
    )
    assert all(re.match(r"\S+Z info +headrace\.requests: request ", line) for line in logged.splitlines())
