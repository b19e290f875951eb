"""Completes a model's options from what an upstream server reports about itself."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from headrace.configuration import ModelOptions
from headrace.engines.http import HttpTransport, tls_context
from headrace.engines.protocols.dialects import detect_dialect
from headrace.errors import EngineError, HeadraceError, RequestError
from headrace.models.detection import detect_format
from headrace.models.loading import read_key
from headrace.models.settings import CompletionsSettings, UpstreamSettings
from headrace.models.templates import find_template
from headrace.options import errors_of

__all__ = ["DiscoveredModel", "discover_models"]

_TIMEOUT: Final = 10.0  # seconds; these requests need no computation


class _ListedModel(msgspec.Struct):
    id: str
    owned_by: str | None = None
    root: str | None = None
    max_model_len: int | None = None


class _ModelList(msgspec.Struct):
    data: list[_ListedModel]


class _Props(msgspec.Struct, frozen=True):
    chat_template: str = ""
    eos_token: str = ""
    modalities: dict[str, Any] = {}


class DiscoveredModel(msgspec.Struct, frozen=True):
    """A model's completed options.

    Args:
        options: given and detected.
        notes: what was detected, and how; a line each.
    """

    options: ModelOptions
    notes: Sequence[str]


class ServerInfo(msgspec.Struct, frozen=True):
    """What a server reports; only llama-server has `props`."""

    name: str
    host: str
    models: Sequence[_ListedModel]
    props: _Props


def discover_models(options: ModelOptions, environment: Mapping[str, str]) -> list[DiscoveredModel]:
    """Query the first of the servers and complete the options. Blocks until it responds.

    Returns one model; without a name in the options, one for each model of the server.

    Raises:
        HeadraceError: an option is invalid, the server does not respond, or it has no such model.
    """
    settings = options.settings(CompletionsSettings)
    assert isinstance(settings, UpstreamSettings)  # the only one with `url`
    urls = [_with_path(url) for url in settings.url]
    try:
        with errors_of("upstream_ca"):
            tls = tls_context(settings.upstream_ca)
        with errors_of("url"):
            key = read_key(settings.upstream_key_env, environment)
            server = asyncio.run(_query(urls[0], key, settings.upstream_key_env, tls))
        images = bool(settings.images)
        return [
            _complete(options, urls, model, server, wants_images=images) for model in _select(options, server)
        ]
    except HeadraceError as error:
        raise options.locate(error) from None


async def _query(url: str, key: str, variable: str, tls: ssl.SSLContext | None) -> ServerInfo:
    transport = HttpTransport(url, key=key, key_variable=variable, tls=tls)
    try:
        body = await _get(transport, "models")
        try:
            models = {model.id: model for model in msgspec.json.decode(body, type=_ModelList).data}
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            msg = f"{transport.upstream.name}/models is not a list of models: {error}; check the URL"
            raise EngineError(msg) from None
        if not models:
            msg = f"{transport.upstream.name} has no models; set a name and an engine in headrace.toml"
            raise EngineError(msg)
        try:
            props = msgspec.json.decode(await _get(transport, "/props"), type=_Props)
        except (HeadraceError, msgspec.DecodeError):
            props = _Props()
        return ServerInfo(transport.upstream.name, transport.host, list(models.values()), props)
    finally:
        await transport.close()


async def _get(transport: HttpTransport, path: str) -> bytes:
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await transport.get(path)
    except TimeoutError:
        msg = f"{transport.upstream.name} did not respond to GET {path} within {_TIMEOUT:g} s; check the URL,"
        msg += " or set name and engine in headrace.toml to skip discovery"
        raise EngineError(msg) from None


def _select(options: ModelOptions, server: ServerInfo) -> Sequence[_ListedModel]:
    """Return the requested model, or all models if none is requested."""
    models = server.models
    wanted = options.values.get("upstream_model") or options.name
    if not wanted or (len(models) == 1 and "upstream_model" not in options.values):
        return models
    named = [model for model in models if wanted.lower() in (model.id.lower(), _short(model.id))]
    if not named:
        available = ", ".join(model.id for model in models)
        msg = f"{server.name} has no model {wanted}; set upstream_model to one of: {available}"
        raise RequestError(msg)
    return named[:1]


def _complete(
    options: ModelOptions, urls: Sequence[str], model: _ListedModel, server: ServerInfo, *, wants_images: bool
) -> DiscoveredModel:
    given = options.values
    template, origin = _template(given.get("chat_template", ""), model, server)
    tokens = {"eos_token": server.props.eos_token} if server.props.eos_token else {}
    variables = tokens | given.get("chat_template_kwargs", {})
    format = given.get("format") or _family(template, variables, model.id)
    engine, reason = _engine(given.get("engine", ""), template, format, wants_images=wants_images)
    dialect = detect_dialect(model.owned_by or "", server.host)
    detected: dict[str, Any] = {"dialect": dialect, "upstream_model": model.id}
    notes = [f"{server.name} is {dialect} (owned_by {model.owned_by!r})"]
    if model.max_model_len:
        detected["context"] = model.max_model_len
        notes[0] += f", context {model.max_model_len}"
    if engine == "completions":
        detected |= {"chat_template": template, "format": format}
        if variables:
            given = {**given, "chat_template_kwargs": variables}
        reason += f"; format {format}, template {origin}"
    else:
        given = {option: value for option, value in given.items() if option != "chat_template"}
        if server.props.modalities.get("vision"):
            detected["images"] = True
    short = _short(model.id)
    is_unique = sum(short == _short(other.id) for other in server.models) == 1
    name = options.name or (short if is_unique else model.id)
    values = {**detected, **given, "engine": engine, "url": urls}
    completed = options.completed(name, values)
    if model.id not in (name, "") and not model.id.startswith("/"):
        completed.add_aliases([model.id])
    return DiscoveredModel(completed, [*notes, f"engine {engine}: {reason}"])


def _family(template: str, variables: Mapping[str, Any], model_name: str) -> str:
    """Return the name of the format of the model's family; "" if it is unknown."""
    with errors_of("chat_template"):
        compiled = (
            find_template(template).compile(writes_bos=False, variables=variables) if template else None
        )
    format = detect_format(compiled, model_name)
    return format.name if format else ""


def _engine(given: str, template: str, format: str, *, wants_images: bool) -> tuple[str, str]:
    """Return the engine, and the reason for it."""
    if given:
        return given, "as given"
    if wants_images:
        return "chat", "images are accepted, which the server has to render"
    if not template:
        return (
            "chat",
            "no chat template found, so the server parses the output; with --chat-template, Headrace does",
        )
    if not format:
        return "chat", "unknown model family, so the server parses the output; with --format, Headrace does"
    return (
        "completions",
        "Headrace renders the prompt and parses the output; with --engine chat, the server does both",
    )


def _template(given: str, model: _ListedModel, server: ServerInfo) -> tuple[str, str]:
    """Return the chat template, and its origin."""
    if given:
        return given, "as given"
    if model.root and Path(model.root).is_dir():  # the server runs on this machine
        return model.root, f"from {model.root}"
    return server.props.chat_template, "from /props"


def _with_path(url: str) -> str:
    """Add /v1 to a base URL without a path."""
    host = url.rstrip("/")
    return f"{host}/v1" if host.count("/") == 2 else host


def _short(id: str) -> str:
    """Shorten `zai-org/GLM-4.6` and `/models/glm-4.6.gguf` to `glm-4.6`."""
    return id.rpartition("/")[2].removesuffix(".gguf").lower()
