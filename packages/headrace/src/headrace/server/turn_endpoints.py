"""The endpoints that concern turns, in every API, by their paths."""

from collections.abc import Callable
from typing import Final

from headrace.configuration.settings import Settings
from headrace.errors import RequestError
from headrace.keys import ApiKeys
from headrace.models import ModelRegistry
from headrace.server.answers import AnswerEndpoint
from headrace.server.apis import Api, ChatApi, decode_chat_request
from headrace.server.connection import Endpoint, ErrorEncoder, HttpConnection
from headrace.server.messages_api import CountTokensEndpoint, MessagesApi
from headrace.server.reconnects import Reconnects
from headrace.server.request_reader import Decode, RequestReader
from headrace.server.response_history import ResponseHistory
from headrace.server.response_writer import ResponseWriter
from headrace.server.responses import ACTIONS, RESPONSES, ResponseEndpoint, ResponsesEndpoint
from headrace.server.responses_api import ResponsesApi
from headrace.server.results import AsyncEndpoint, ResultEndpoint
from headrace.server.resume import ResumeEndpoint, TurnsEndpoint
from headrace.turns import TurnRegistry
from headrace.turns.handover import shutting_down

__all__ = ["ANTHROPIC", "MESSAGES", "MODELS", "OPENAI", "PREFIXES", "TurnEndpoints"]

OPENAI: Final = "/v1"
PREFIXES: Final = ("/api/paas/v4", "/api/coding/paas/v4", OPENAI)
"""Z.ai's two prefixes, and OpenAI's."""

ANTHROPIC: Final = "/api/anthropic"
"""The base URL of Anthropic's API."""

_ANTHROPIC_PREFIX: Final = f"{ANTHROPIC}/v1"
MESSAGES: Final = (f"{_ANTHROPIC_PREFIX}/messages", f"{OPENAI}/messages")
"""The paths of Anthropic's API."""

MODELS: Final = tuple(f"{prefix}/models" for prefix in (*PREFIXES, _ANTHROPIC_PREFIX))
"""The paths of the lists of models."""

_OTHER_APIS: Final = {
    f"{OPENAI}/completions": "use /v1/chat/completions, or a gateway that translates to it",
    **dict.fromkeys((f"{path}/batches" for path in MESSAGES), "send each message by itself"),
}
"""Paths of other APIs for text, and what to do instead."""


class TurnEndpoints:
    """The endpoints that concern turns.

    Args:
        turns: starts and finds turns.
        reader: reads the requests that start them.
        keys: authenticate the others.
        models: the models that are served.
        settings: of the answers.
        on_resumed: called for each turn that is resumed.
    """

    def __init__(
        self,
        turns: TurnRegistry,
        reader: RequestReader,
        keys: ApiKeys,
        models: ModelRegistry,
        settings: Settings,
        *,
        on_resumed: Callable[[], None],
    ) -> None:
        self._turns = turns
        self._reader = reader
        self._keys = keys
        self._keep_alive_interval = settings.keep_alive_interval
        self._reconnects = Reconnects()
        self._always_resumable = settings.turns.resume == "always"
        self._on_resumed = on_resumed
        self._apis: dict[str, Api] = {}  # by the path that the others of the API are below
        self.by_path: dict[str, Endpoint] = {}
        """Those that need a model, by path."""
        self.by_id: dict[str, Endpoint] = {}
        """Those of one turn, by the path before its id."""
        self.by_action: dict[str, Endpoint] = {}
        """The same for paths that have an action after the id."""
        for prefix in PREFIXES:
            self._serve_chat(prefix)
        for path in RESPONSES:
            self._serve_responses(path)
        messages = MessagesApi(models, settings.claude_models)
        for path in MESSAGES:
            self._serve(path, messages, messages.decode_request)
            self.by_path[f"{path}/count_tokens"] = CountTokensEndpoint(messages, reader)
        self._apis[ANTHROPIC] = messages

    def find(self, path: str) -> Endpoint | None:
        """Return the endpoint of a path that concerns turns, or that belongs to another API."""
        if endpoint := self.by_path.get(path):
            return endpoint
        if path in _OTHER_APIS:
            return _reject_other_api
        parent = path.rpartition("/")[0]
        return self.by_id.get(parent) or self.by_action.get(parent.rpartition("/")[0])

    def template(self, path: str) -> str | None:
        """Return a path with `{id}` in the place of an id; None if it is no path of these endpoints."""
        if path in self.by_path or path in _OTHER_APIS:
            return path
        parent, _, last = path.rpartition("/")
        if parent in self.by_id:
            return f"{parent}/{{id}}"
        parent = parent.rpartition("/")[0]
        return f"{parent}/{{id}}/{last}" if parent in self.by_action and last in ACTIONS else None

    def error_encoder(self, path: str) -> ErrorEncoder | None:
        """Return how the API of a path encodes errors; None for Z.ai's way, outside of any API."""
        while path and path not in self._apis:
            path = path.rpartition("/")[0]
        return self._apis[path].encode_error if path else None

    def refuse(self) -> None:
        """Refuse the requests that need a model from now on: the server is shutting down."""
        self.by_path = dict.fromkeys(self.by_path, _refuse_while_draining)

    def _serve(self, path: str, api: Api, decode: Decode) -> ResponseWriter:
        """Serve an API: a POST to the path starts a turn; the paths of turns are below it."""
        writer = self._writer(path, api)
        self.by_path[path] = AnswerEndpoint(
            self._turns, decode, writer, self._reader, always_resumable=self._always_resumable
        )
        self.by_id[path] = ResumeEndpoint(self._turns, api, writer, self._keys, self._on_resumed)
        return writer

    def _writer(self, path: str, api: Api) -> ResponseWriter:
        """Return what sends the answers of an API. It is that of all errors at and below the path."""
        self._apis[path] = api
        return ResponseWriter(self._keep_alive_interval, api, self._reconnects)

    def _serve_chat(self, prefix: str) -> None:
        """Serve chat completions, and Z.ai's asynchronous ones."""
        path = f"{prefix}/chat/completions"
        api = ChatApi(openai=prefix == OPENAI)
        writer = self._serve(path, api, decode_chat_request)
        self.by_path[path] = TurnsEndpoint(self._turns, self._keys, self.by_path[path])
        self.by_path[f"{prefix}/async/chat/completions"] = AsyncEndpoint(
            self._turns, decode_chat_request, self._reader
        )
        self.by_id[f"{prefix}/async-result"] = ResultEndpoint(self._turns, writer, self._keys)

    def _serve_responses(self, path: str) -> None:
        """Serve OpenAI's Responses, of which there is more below a turn's path."""
        writer = self._writer(path, ResponsesApi())
        history = ResponseHistory(self._turns, self._reader.workers, self._reader.max_body_size)
        self.by_path[path] = ResponsesEndpoint(
            self._turns, writer, self._reader, history, always_resumable=self._always_resumable
        )
        endpoint = ResponseEndpoint(path, self._turns, writer, self._keys, self._on_resumed)
        self.by_id[path] = self.by_action[path] = endpoint


async def _refuse_while_draining(_: HttpConnection) -> None:
    raise shutting_down()


async def _reject_other_api(connection: HttpConnection) -> None:
    """Answer with status 400: Codex retries a 404."""
    msg = f"{connection.path} is not served here; {_OTHER_APIS[connection.path]}"
    raise RequestError(msg, code="1222", status=400)
