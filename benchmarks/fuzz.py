"""Mutated requests: each gets an answer, none an error of the server's own, and a rejection names the field.

A mutation replaces a value somewhere in a valid request by an odd one, removes a field, or changes bytes of
the encoded body. Then every field is nested at every depth up to 2,000, in lists and in objects. The requests
are those of chat completions, Messages and Responses in turn. A seed reproduces a run; requests that break a
rule are printed.

    python benchmarks/fuzz.py [--requests 12000] [--seed 1] [--depths 2000]
"""

import argparse
import http.client
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from headrace.engines import ScriptedEngine
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from codex_request import CODEX

TOOL = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"a": {}}}},
}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
CHAT: dict[str, Any] = {
    "model": "glm-4.6",
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "assistant", "content": "", "reasoning_content": "r", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "noon"},
    ],
    "stream": True,
    "tool_stream": True,
    "thinking": {"type": "enabled", "clear_thinking": True},
    "reasoning_effort": "low",
    "do_sample": True,
    "temperature": 1.0,
    "top_p": 0.9,
    "max_tokens": 5,
    "stop": ["END"],
    "seed": 1,
    "tools": [TOOL],
    "tool_choice": "auto",
    "response_format": {"type": "text"},
    "request_id": "request-1",
    "user_id": "user-1",
    "stream_options": {"include_usage": True},
    "logit_bias": {"7": 1},
    "top_k": 4,
    "min_p": 0.1,
    "ignore_eos": False,
}
USE = {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}
RESULT = {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "noon"}]}
MESSAGE: dict[str, Any] = {
    "model": "glm-4.6",
    "max_tokens": 5,
    "stream": True,
    "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "s"}, USE]},
        {"role": "user", "content": [RESULT]},
    ],
    "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": True}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
    "output_config": {"effort": "low"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "metadata": {"user_id": "u"},
    "stop_sequences": ["END"],
    "temperature": 1.0,
    "top_p": 0.9,
    "top_k": 4,
}
RESPONSE: dict[str, Any] = {
    **CODEX,
    "store": False,
    "background": False,
    "instructions": "i",
    "max_output_tokens": 5,
    "metadata": {"a": "b"},
    "previous_response_id": None,
    "temperature": 1.0,
    "text": {"verbosity": "low"},
    "top_p": 0.9,
}


class Api(NamedTuple):
    """A path and a valid request for it, whose fields an error may name."""

    path: str
    valid: dict[str, Any]


APIS = (
    Api("/api/paas/v4/chat/completions", CHAT),
    Api("/v1/messages", MESSAGE),
    Api("/v1/messages/count_tokens", MESSAGE),
    Api("/v1/responses", RESPONSE),
)
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**30, 1.5, -0.0, 1e300, "", "a", "\x00"),
    *("\ud7ff\ue000", "\U0001f99c", "</think>", "<|user|>", "a" * 300, "9" * 5000, "²", "null", [], {}, [[]]),
    *(
        [None],
        ["a"] * 200,
        {"": ""},
        {"a": None},
        [{"type": "image_url"}],
        {"type": "function"},
        [1, "a", {}],
    ),
)


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        yield from paths(child, (*path, key))


def with_value(valid: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    request: dict[str, Any] = json.loads(json.dumps(valid))  # no part of it is shared
    owner: Any = request
    for key in path[:-1]:
        owner = owner[key]
    owner[path[-1]] = value
    return request


def mutated(valid: dict[str, Any], chance: random.Random) -> bytes:
    path = chance.choice(list(paths(valid)))
    request = with_value(valid, path, chance.choice(ODD))
    if chance.random() < 0.2:
        request[chance.choice(sorted(request))] = chance.choice(ODD)
    if chance.random() < 0.1:
        del request[chance.choice(sorted(request))]
    body = json.dumps(request, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    if chance.random() < 0.2:
        at = chance.randrange(len(body))
        body = body[:at] + chance.randbytes(chance.randrange(3)) + body[at + chance.randrange(5) :]
    return body


def nested(valid: dict[str, Any], most: int) -> Iterator[bytes]:
    for path in paths(valid):
        mark = json.dumps(with_value(valid, path, "\x01")).encode()
        for depth in range(1, most + 1):
            for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
                yield mark.replace(b'"\\u0001"', opening * depth + b"1" + closing * depth)


RULES = ("hangs", "resets", "own 5xx", "rejections without a field")


class Client:
    """Sends bodies on one connection, and checks the answers."""

    def __init__(self, port: int) -> None:
        self._client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.counts = Counter(dict.fromkeys(RULES, 0))

    def send(self, api: Api, body: bytes) -> None:
        try:
            self._client.request("POST", api.path, body, {"Content-Type": "application/json"})
            response = self._client.getresponse()
            answer = response.read()
        except OSError as error:
            self._client.close()
            self._broken("hangs" if isinstance(error, TimeoutError) else "resets", body, repr(error))
            return
        self.counts[f"status {response.status}"] += 1
        if response.status >= 500:
            self._broken("own 5xx", body, answer.decode())
        elif response.status >= 400:
            self.counts["rejected"] += 1
            message = json.loads(answer)["error"]["message"]
            names = "|".join(["the body", *api.valid])
            if not re.search(rf"\b({names})\b", message):
                self._broken("rejections without a field", body, message)

    def _broken(self, rule: str, body: bytes, what: str) -> None:
        self.counts[rule] += 1
        if self.counts[rule] <= 5:
            print(f"{rule}: {what[:300]}\n    {body[:600]!r}", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--depths", type=int, default=2000, help="the deepest nesting; 0 leaves it out")
    options = parser.parse_args()
    template = ChatTemplate("{% for m in messages %}{{ m.content }}{{ m.tool_calls }}{% endfor %}{{ tools }}")
    model = Model(("glm-4.6",), ScriptedEngine("Hi"), FORMATS["glm-4.6"], template, 4096)
    chance = random.Random(options.seed)
    with LocalServer(App(ModelRegistry([model]), Settings())) as server:
        client = Client(int(server.url.rpartition(":")[2]))
        for api in APIS:
            client.send(api, json.dumps(api.valid).encode())
        assert client.counts["status 200"] == len(APIS), client.counts
        for number in range(options.requests):
            api = APIS[number % len(APIS)]
            client.send(api, mutated(api.valid, chance))
        for api in APIS if options.depths else ():
            for body in nested(api.valid, options.depths):
                client.send(api, body)
    print(
        f"seed {options.seed}:",
        ", ".join(f"{number} {name}" for name, number in sorted(client.counts.items())),
    )
    return int(any(client.counts[rule] for rule in RULES))


if __name__ == "__main__":
    sys.exit(main())
