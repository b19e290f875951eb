"""A scripted upstream: it completes a prompt with the next words of its answer, at a known pace.

It serves `POST /v1/completions` as vLLM does, with token ids, `max_tokens`, `min_tokens`, `stop` and usage
in each chunk. The prompt is one token, and so is each word.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final, NamedTuple

from question import END, Question, numbers, word

__all__ = ["Upstream"]

MOST_DEATHS: Final = 8
"""After so many generations, a deadly question is harmless."""

_MODELS = {"data": [{"id": "words", "owned_by": "vllm", "max_model_len": 100_000}]}


class Upstream:
    """A server for each replica, so that it knows which one asks.

    Args:
        on_deadly: is called with the number of the replica whose generation is deadly.
    """

    def __init__(self, on_deadly: Callable[[int], None]) -> None:
        self.questions: dict[str, Question] = {}
        self._on_deadly = on_deadly
        self._texts: list[str] = []
        self._ids: dict[str, int] = {}
        self._servers: list[asyncio.Server] = []

    async def listen(self, replica: int) -> int:
        """Listen for the replica with this number; return the port."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Cancelled at the end of the program, which asyncio's streams would report as an error.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer, replica)
            writer.close()

        self._servers.append(await asyncio.start_server(serve, "127.0.0.1", 0))
        return int(self._servers[-1].sockets[0].getsockname()[1])

    def close(self) -> None:
        for server in self._servers:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, replica: int) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            size = int(head.partition("content-length:")[2].partition("\r\n")[0] or 0)
            body = await reader.readexactly(size)
            if head.startswith("post"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
                writer.write(b"transfer-encoding: chunked\r\n\r\n")
                async with contextlib.aclosing(self._complete(json.loads(body), replica)) as chunks:
                    async for chunk in chunks:
                        data = f"data: {chunk if isinstance(chunk, str) else json.dumps(chunk)}\n\n".encode()
                        writer.write(b"%x\r\n%b\r\n" % (len(data), data))
                        await writer.drain()
                writer.write(b"0\r\n\r\n")
            else:
                data = json.dumps(_MODELS).encode()
                status = b"200 OK" if "/models" in head.partition("\r\n")[0] else b"404 Not Found"
                writer.write(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(data), data))
            await writer.drain()

    async def _complete(
        self, request: dict[str, Any], replica: int
    ) -> AsyncGenerator[dict[str, Any] | str, None]:
        """Yield the chunks of a completion."""
        prompt = request["prompt"]
        if not isinstance(prompt, str):
            prompt = "".join(self._texts[token] for token in prompt)
        name, _, prefix = prompt.partition(END)
        question = self.questions[name]
        completion = _complete(question, prefix, request)
        reports_ids = question.has_ids and request.get("return_token_ids", False)
        extra = {"prompt_token_ids": [self._id(prompt)]} if reports_ids else {}
        await asyncio.sleep(question.delay)
        before, written = 1 + len(numbers(prefix)), 0
        counts = bool(request.get("stream_options", {}).get("continuous_usage_stats"))
        for text, tokens in completion.chunks:
            if written == question.deadly_after and len(question.generations) <= MOST_DEATHS:
                await asyncio.sleep(0.3)  # what was written is saved
                self._on_deadly(replica)
                return
            ids = {"token_ids": [self._id(token) for token in tokens]} if reports_ids else {}
            written += len(tokens)
            usage = {"usage": _usage(before, written)} if counts else {}
            yield {"choices": [{"index": 0, "text": text, **ids, **extra}], **usage}
            extra = {}
            await asyncio.sleep(question.pace)
        yield {"choices": [{"index": 0, "text": "", "finish_reason": completion.reason}]}
        yield {"choices": [], "usage": _usage(before, written)}
        yield "[DONE]"
        question.is_written.set()

    def _id(self, text: str) -> int:
        if text not in self._ids:
            self._ids[text] = len(self._texts)
            self._texts.append(text)
        return self._ids[text]


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


class _Completion(NamedTuple):
    """The chunks, each with its text and its tokens, and the finish reason."""

    chunks: list[tuple[str, list[str]]]
    reason: str


def _complete(question: Question, prefix: str, request: dict[str, Any]) -> _Completion:
    """Write the answer after `prefix`, and note the generation."""
    done = len(numbers(prefix))
    generation = len(question.generations)
    question.generations.append(done)
    question.repeated += done < question.longest
    natural = max(question.words - done, request.get("min_tokens", 0), 0)
    count = min(natural, request.get("max_tokens", natural))
    tokens = [word(number, generation) for number in range(done, done + count)]
    rest = prefix[sum(len(word(number, 0)) for number in numbers(prefix)) :]
    if tokens and rest:
        matching = [word(done, letter) for letter in (generation, *range(26))]
        tokens[0] = next((whole for whole in matching if whole.startswith(rest)), rest)[len(rest) :]
    if numbers(prefix) != list(range(done)) or (rest and not tokens[:1]):
        question.broken_prefixes.append(prefix)
    size = question.words_per_chunk
    groups = [tokens[at : at + size] for at in range(0, len(tokens), size)]
    chunks = [("".join(group), group) for group in groups]
    if stop := next(iter(request.get("stop") or ()), ""):
        return _stop(chunks, stop, "length" if count < natural else "stop")
    return _Completion(chunks, "length" if count < natural else "stop")


def _stop(chunks: list[tuple[str, list[str]]], stop: str, reason: str) -> _Completion:
    """Withhold the text that may begin the stop string, and end before the stop string."""
    written, shown, stopped = "", 0, []
    for text, tokens in chunks:
        written += text
        if stop in written:
            stopped.append((written[shown : written.index(stop)], tokens))
            return _Completion(stopped, "stop")
        end = max(len(written) - len(stop) + 1, shown)
        stopped.append((written[shown:end], tokens))
        shown = end
    return _Completion([*stopped, (written[shown:], [])], reason)
