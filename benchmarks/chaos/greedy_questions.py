"""Requests to the embedded model whose greedy answers are reproducible.

The logits of llama.cpp vary slightly with the other sequences in its batch. If the two best tokens are about
equally likely, a request can therefore have two greedy answers without any interruption.
"""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import xllamacpp

from headrace.models.loading import load_model
from headrace.models.settings import LlamaSettings
from headrace.wire import decode_request
from headrace_tiny import model_path

MARGIN = 0.1
"""Of the best token before the second best, in log probability, all along the answer."""

_WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "获取指定地点当前的天气情况",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string", "description": "城市，例如：北京、上海"}},
            "required": ["location"],
        },
    },
}
_TEXTS = (
    "Who are you?",
    "你是谁？",
    "Tell me a joke",
    "Hello",
    "你好",
    "What is a 🪆?",
    "Write a poem about autumn",
    "Write a poem about spring",
    "写一首关于大海的诗",
    "写一首关于月亮的诗",
)
_WITH_TOOLS = ("What is the weather in Paris?", "上海今天天气如何？", "北京天气怎么样")


def candidates() -> list[dict[str, Any]]:
    """Yield requests: with and without thinking, with and without tools, some cut off by max_tokens."""
    found = [_request("Who are you?", max_tokens=25)]
    for thinking in ("disabled", "enabled"):
        found += [
            _request(text, thinking=thinking, tools=[_WEATHER], tool_stream=text.isascii())
            for text in _WITH_TOOLS
        ]
        found += [_request(text, thinking=thinking) for text in _TEXTS]
    return found


@cache
def steady_questions(count: int) -> Sequence[dict[str, Any]]:
    """Return the first `count` requests with a single greedy answer."""
    prompts = load_model("", LlamaSettings(slots=1))
    params = xllamacpp.CommonParams()
    params.model.path = str(model_path())
    params.verbosity = -1
    params.ui = False
    params.n_ctx = 4096
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    steady = []
    for request in candidates():
        prompt = prompts.generation(decode_request(json.dumps({**request, "stream": True}).encode())).prompt
        if _margin(server, prompt, request.get("max_tokens", 300)) > MARGIN:
            steady.append(request)
        if len(steady) == count:
            break
    return steady


def _request(text: str, *, thinking: str = "enabled", **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {
        "model": "embedded",
        "messages": messages,
        "do_sample": False,
        "thinking": {"type": thinking},
        **fields,
    }


def _margin(server: Any, prompt: str, max_tokens: int) -> float:
    """Return the smallest margin between the two best tokens over the answer."""
    margins = []

    def receive(data: bytes) -> None:
        for choice in json.loads(data).get("choices", ()):
            for token in (choice.get("logprobs") or {}).get("content", ()):
                best, second = sorted((one["logprob"] for one in token["top_logprobs"]), reverse=True)[:2]
                margins.append(best - second)

    asked = {
        "prompt": prompt,
        "stream": True,
        "temperature": 0,
        "min_p": 0,
        "n_probs": 2,
        "max_tokens": max_tokens,
    }
    server.handle_completions(json.dumps(asked).encode(), receive)
    return min(margins)
