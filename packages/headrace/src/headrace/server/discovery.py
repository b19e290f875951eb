"""What a server tells about itself → the options that nobody gave."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from headrace.engines.http import HttpTransport
from headrace.errors import EngineError, HeadraceError, RequestError
from headrace.models.families import detect_format
from headrace.models.loading import read_key
from headrace.models.settings import CompletionsSettings, UpstreamSettings
from headrace.models.templates import find_template
from headrace.options import errors_of
from headrace.server.configuration import ModelOptions

__all__ = ["DiscoveredModel", "discover_models"]

_OWNERS: Final[Mapping[str, str]] = {
    "headrace": "zai",
    "llamacpp": "llama.cpp",
    "sglang": "sglang",
    "vllm": "vllm",
    "z-ai": "zai",
    "zhipuai": "zai",
}
"""What servers put into `owned_by` of their models, and their dialects."""

_PATIENCE: Final = 10.0  # seconds: a server tells what it has without computing
_HOSTS: Final = {"api.z.ai": "zai", "open.bigmodel.cn": "zai"}


class _Card(msgspec.Struct):
    id: str
    owned_by: str | None = None
    root: str | None = None
    max_model_len: int | None = None


class _Cards(msgspec.Struct):
    data: list[_Card]


class DiscoveredModel(msgspec.Struct, frozen=True):
    """A model's options, completed.

    Args:
        options: given and guessed.
        notes: what was guessed, and from what; a line each.
    """

    options: ModelOptions
    notes: Sequence[str]


class ServerInfo(msgspec.Struct, frozen=True):
    """What a server says; `template` is "" from all but llama-server."""

    name: str
    host: str
    cards: Sequence[_Card]
    template: str


def discover_models(options: ModelOptions, environment: Mapping[str, str]) -> list[DiscoveredModel]:
    """Ask the first of the servers what it is, and fill in what was not given. Blocks until it answers.

    Returns one guess; where no name was given, one for each model that the server has.

    Raises:
        HeadraceError: an option cannot be used; the server does not answer, or has no model of that name.
    """
    settings = options.settings(CompletionsSettings)
    assert isinstance(settings, UpstreamSettings)  # no other knows `url`
    urls = [_with_path(url) for url in settings.url]
    try:
        with errors_of("url"):
            told = asyncio.run(
                _ask(urls[0], read_key(settings.upstream_key_env, environment), settings.upstream_key_env)
            )
        return [_guess(options, urls, card, told) for card in _chosen(options, told)]
    except HeadraceError as error:
        raise options.locate(error) from None


async def _ask(url: str, key: str, variable: str) -> ServerInfo:
    transport = HttpTransport(url, key=key, key_variable=variable)
    try:
        body = await _get(transport, "models")
        try:
            cards = {card.id: card for card in msgspec.json.decode(body, type=_Cards).data}
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            msg = f"{transport.source.name}/models is no list of models: {error}; check the URL"
            raise EngineError(msg) from None
        if not cards:
            msg = f"{transport.source.name} has no models; name one, and its engine, in headrace.toml"
            raise EngineError(msg)
        try:
            template = msgspec.json.decode(await _get(transport, "/props"))["chat_template"]
        except (HeadraceError, msgspec.DecodeError, KeyError, TypeError):
            template = ""
        return ServerInfo(transport.source.name, transport.host, list(cards.values()), template)
    finally:
        await transport.close()


async def _get(transport: HttpTransport, path: str) -> bytes:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await transport.get(path)
    except TimeoutError:
        msg = f"{transport.source.name} said nothing for {_PATIENCE:g} s, asked for {path}; check the URL,"
        msg += " or name the model and its engine in headrace.toml: then nothing is asked"
        raise EngineError(msg) from None


def _chosen(options: ModelOptions, told: ServerInfo) -> Sequence[_Card]:
    """The model that is meant; all of them where nobody says which."""
    cards = told.cards
    wanted = options.values.get("upstream_model") or options.name
    if not wanted or (len(cards) == 1 and "upstream_model" not in options.values):
        return cards
    named = [card for card in cards if wanted.lower() in (card.id.lower(), _short(card.id))]
    if not named:
        served = ", ".join(card.id for card in cards)
        msg = f"{told.name} has no model {wanted}; set upstream_model to one of: {served}"
        raise RequestError(msg)
    return named[:1]


def _guess(options: ModelOptions, urls: Sequence[str], card: _Card, told: ServerInfo) -> DiscoveredModel:
    given = options.values
    template, found = _template(given.get("chat_template", ""), card, told)
    with errors_of("chat_template"):
        text = template and find_template(template).text
    format = given.get("format") or detect_format(text, card.id)
    engine, why = _engine(given.get("engine", ""), template, format)
    dialect = _OWNERS.get(card.owned_by or "") or _HOSTS.get(told.host) or "openai"
    guessed: dict[str, Any] = {"dialect": dialect, "upstream_model": card.id}
    notes = [f"{told.name} is {dialect} (owned_by {card.owned_by!r})"]
    if engine == "completions":
        guessed |= {"chat_template": template, "format": format}
        why += f"; format {format}, template {found}"
    else:
        given = {option: value for option, value in given.items() if option != "chat_template"}
    short = _short(card.id)
    is_unique = sum(short == _short(other.id) for other in told.cards) == 1
    name = options.name or (short if is_unique else card.id)
    others = [] if card.id in (name, "") or card.id.startswith("/") else [card.id]
    values = {**guessed, "aliases": others, **given, "engine": engine, "url": urls}
    return DiscoveredModel(options.completed(name, values), [*notes, f"engine {engine}: {why}"])


def _engine(given: str, template: str, format: str) -> tuple[str, str]:
    """What runs the model, and why."""
    if given:
        return given, "as given"
    if not template:
        return "chat", "no chat template at hand, so its own parser is used; --chat-template uses ours"
    if not format:
        return "chat", "the family is not known, so its own parser is used; --format uses ours"
    return "completions", "prompt and parsing are ours"


def _template(given: str, card: _Card, told: ServerInfo) -> tuple[str, str]:
    """A chat template, and where it was found."""
    if given:
        return given, "as given"
    if card.root and Path(card.root).is_dir():  # the server runs on this machine
        return card.root, f"from {card.root}"
    return told.template, "from /props"


def _with_path(url: str) -> str:
    """Base URLs end with /v1, or another path; one without any is completed."""
    host = url.rstrip("/")
    return f"{host}/v1" if host.count("/") == 2 else host


def _short(id: str) -> str:
    """`zai-org/GLM-4.6` and `/models/glm-4.6.gguf` → `glm-4.6`."""
    return id.rpartition("/")[2].removesuffix(".gguf").lower()
