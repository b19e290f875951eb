"""The two C programs, built when their source has changed: the upstream, and a run of load."""

import http.client
import json
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

from programs import Program, free_port, pinned

__all__ = [
    "API_KEY",
    "BUILD",
    "CHAT",
    "MESSAGES",
    "RESPONSES",
    "Api",
    "Load",
    "Stats",
    "Traffic",
    "Upstream",
    "build",
    "run_load",
]

BUILD: Final = Path(__file__).parents[2] / "build" / "relay"
API_KEY: Final = f"sk-relay.{secrets.token_hex(32)}"
"""What clients send: of a shape that Headrace and LiteLLM accept."""

_SOURCES: Final = Path(__file__).parent
_TOOL: Final = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather at a place",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string"}},
            "required": ["location"],
        },
    },
}
_MESSAGES: Final = [{"role": "user", "content": "Write a long text about the weather in Berlin."}]
_COMMON: Final = {"model": "glm-4.6", "messages": _MESSAGES, "stream": True}


class Api(NamedTuple):
    """How clients request a stream, and recognise its end.

    Args:
        request: as it is sent.
        end: what follows the last delta.
        repeats: whether deltas are repeated later, in longer texts.
    """

    request: bytes
    end: str
    repeats: bool = False


def _request(path: str, **fields: Any) -> bytes:
    body = json.dumps({**_COMMON, **fields})
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Accept: text/event-stream\r\nAuthorization: Bearer {API_KEY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


CHAT: Final = Api(
    _request("/v1/chat/completions", tools=[_TOOL], tool_stream=True, stream_options={"include_usage": True}),
    "[DONE]",
)
MESSAGES: Final = Api(
    _request(
        "/v1/messages",
        max_tokens=1_000_000,
        thinking={"type": "adaptive"},
        tools=[{"name": "get_weather", "input_schema": _TOOL["function"]["parameters"]}],
    ),
    "message_stop",
)
RESPONSES: Final = Api(
    _request(
        "/v1/responses",
        input=_MESSAGES,
        store=False,
        tools=[{"type": "function", **_TOOL["function"]}],
    ),
    "response.completed",
    repeats=True,
)


class Stats(NamedTuple):
    """The upstream's counters: open connections, aborted answers and the time of the last, what was sent."""

    live: int
    aborted: int
    last_abort_ns: int
    bytes: int
    events: int


class Upstream:
    """The scripted upstream, running on a free port."""

    def __init__(self, core: int, folder: Path) -> None:
        self.port = free_port()
        self._program = Program([str(BUILD / "upstream"), str(self.port)], core=core, folder=folder)

    def wait_until_ready(self, seconds: float = 10) -> None:
        """Wait until it listens."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.stats()
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def set_script(self, pace: str, events: int, rate: float = 50) -> None:
        """Set how the streams run that start from now on; see upstream.c."""
        self._get(f"/script?pace={pace}&events={events}&rate={rate}")

    def stats(self) -> Stats:
        """Return the counters."""
        return Stats(**self._get("/stats"))

    def stop(self) -> None:
        """End the process."""
        self._program.stop()

    def _get(self, target: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", target)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != http.client.OK:
            msg = f"upstream: {target}: {body.decode()}"
            raise RuntimeError(msg)
        return json.loads(body)


class Traffic(NamedTuple):
    """The streams that load.c opens.

    Args:
        events: deltas that each answer has.
        streams: streams at once.
        requests: requests of each, in turn.
        skipped: first deltas of a stream whose latency does not count.
        interval_us: time between the first requests of two streams.
    """

    events: int
    streams: int = 1
    requests: int = 1
    skipped: int = 0
    interval_us: float = 0


class Load(NamedTuple):
    """What load.c found: answers that were complete, wrong and cut by the time limit; deltas; times."""

    completed: int = 0
    errors: int = 0
    unfinished: int = 0
    events: int = 0
    seconds: float = 0
    first_byte_p50_ms: float = 0
    first_byte_p99_ms: float = 0
    latency_p50_us: float = 0
    latency_p99_us: float = 0
    latency_max_us: float = 0
    first_error: str = ""


def run_load(port: int, traffic: Traffic, *, core: int, api: Api = CHAT, seconds: float = 120) -> Load:
    """Read streams of an API from the port and check them; `seconds` is the limit."""
    numbers = zip("ncrwi", traffic, strict=True)
    options = [text for letter, number in numbers for text in (f"-{letter}", str(number))]
    repeats = ["-R"] if api.repeats else []
    command = pinned(
        [str(BUILD / "load"), "-p", str(port), "-t", str(seconds), "-e", api.end, *repeats, *options], core
    )
    done = subprocess.run(command, input=api.request, capture_output=True, check=False, timeout=seconds + 20)
    if done.returncode:
        return Load(errors=traffic.streams * traffic.requests, first_error=done.stderr.decode().strip())
    return Load(**json.loads(done.stdout))


def build() -> None:
    """Compile the C programs, or exit if there is no gcc."""
    if not shutil.which("gcc"):
        sys.exit("relay: gcc is not installed (apt install gcc libc6-dev)")
    BUILD.mkdir(parents=True, exist_ok=True)
    newest = max(path.stat().st_mtime for path in _SOURCES.glob("*.[ch]"))
    for name in ("upstream", "load"):
        program = BUILD / name
        if not program.exists() or program.stat().st_mtime < newest:
            command = ["gcc", "-O2", "-Wall", "-Wextra", "-o", str(program), str(_SOURCES / f"{name}.c")]
            subprocess.run(command, check=True, timeout=60)
