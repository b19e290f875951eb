"""Settings → models: an engine, a format and a template each."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from headrace.engines.latency import Histogram
from headrace.engines.load_balancer import LoadBalancer
from headrace.engines.protocols import DIALECTS, Chat, Completions, Protocol
from headrace.engines.protocols.error_mapping import Source
from headrace.engines.protocols.upstream_parsed import UPSTREAM_PARSED
from headrace.engines.recorded import Fault, ReplayTransport
from headrace.engines.recording import read_recording
from headrace.engines.timeouts import TimeoutEngine, Timeouts
from headrace.engines.upstream import UpstreamEngine
from headrace.errors import EngineError, RequestError
from headrace.formats import FORMATS, Format, detect_format
from headrace.models.registry import Model
from headrace.models.settings import (
    ZAI_NAMES,
    ChatSettings,
    CompletionsSettings,
    LlamaSettings,
    ModelSettings,
    RecordedSettings,
    UpstreamSettings,
)
from headrace.models.templates import TemplateSource, find_template, model_template

__all__ = ["load_model", "read_key"]

# On input unlike its training data, so small a model may repeat itself until its context is full.
_EMBEDDED_MAX_TOKENS: Final = 1024


def load_model(name: str, settings: ModelSettings, environment: Mapping[str, str] = os.environ) -> Model:
    """Load a model.

    Args:
        name: for clients; "" for the embedded model's own names.
        settings: of one of the engines; the default `LlamaSettings` are those of the embedded model.
        environment: has the keys of upstream servers.

    Raises:
        EngineError: a file is missing or unusable, or a package is not installed.
        RequestError: the settings are inconsistent.
    """
    latency = Histogram()
    match settings:
        case LlamaSettings():
            return _llama(name, settings, latency)
        case CompletionsSettings():
            return _completions(name, settings, latency, environment)
        case ChatSettings():
            return _chat(name, settings, latency, environment)
        case RecordedSettings():
            return _recorded(name, settings, latency)
        case _:
            msg = f"there is no engine for {type(settings).__name__}"
            raise TypeError(msg)


def read_key(variable: str, environment: Mapping[str, str]) -> str:
    """Return the key in an environment variable; "" without a variable.

    Raises:
        RequestError: the variable is not set.
    """
    if variable and not environment.get(variable):
        msg = f"key names the environment variable {variable}, which is not set"
        raise RequestError(msg)
    return environment[variable] if variable else ""


def _llama(name: str, settings: LlamaSettings, latency: Histogram) -> Model:
    from headrace.engines.llama import LlamaEngine

    path = settings.path or _embedded_path()
    template = find_template(settings.template) if settings.template else model_template(path)
    format = _format(settings, template.text, path.stem)
    engine = LlamaEngine(
        path,
        format=format.name,
        slots=settings.slots,
        context=settings.context,
        threads=settings.threads,
        gpu_layers=settings.gpu_layers,
        max_tokens=None if settings.path else _EMBEDDED_MAX_TOKENS,
        cancel_latency=latency,
    )
    limited = TimeoutEngine(engine, _timeouts(settings))
    return Model(_names(name, settings), limited, format, template.compile(writes_bos=False), latency)


def _completions(
    name: str, settings: CompletionsSettings, latency: Histogram, environment: Mapping[str, str]
) -> Model:
    template = _required_template(name, settings)
    format = _format(settings, template.text, settings.upstream_model or name)
    dialect = DIALECTS[settings.dialect]
    writes_bos = dialect.completions.get("add_special_tokens") is False

    def protocol(source: Source) -> Protocol:
        return Completions(
            dialect,
            source,
            model=settings.upstream_model or name,
            format=format,
            max_tokens=settings.max_tokens,
        )

    balancer = _load_balancer(settings, protocol, latency, environment)
    return Model(_names(name, settings), balancer, format, template.compile(writes_bos=writes_bos), latency)


def _chat(name: str, settings: ChatSettings, latency: Histogram, environment: Mapping[str, str]) -> Model:
    format = _format(settings, "", name) if settings.format else UPSTREAM_PARSED

    def protocol(source: Source) -> Protocol:
        model = settings.upstream_model or name
        return Chat(DIALECTS[settings.dialect], source, model=model, format=format)

    balancer = _load_balancer(settings, protocol, latency, environment)
    return Model(_names(name, settings), balancer, format, None, latency)


def _recorded(name: str, settings: RecordedSettings, latency: Histogram) -> Model:
    paths = sorted(settings.path.glob("*.jsonl")) if settings.path.is_dir() else [settings.path]
    if not paths:
        msg = (
            f"{settings.path} has no recordings (*.jsonl); `headrace record --to {settings.path}` writes some"
        )
        raise EngineError(msg)
    recordings = [read_recording(path) for path in paths]
    fault = Fault(settings.fault, settings.fault_after) if settings.fault else None
    transport = ReplayTransport(recordings, speed=settings.speed, fault=fault)
    is_chat = recordings[0].path == Chat.path
    dialect = DIALECTS["openai"]
    protocol: Protocol = (
        Chat(dialect, transport.source, model=name) if is_chat else Completions(dialect, transport.source)
    )
    engine = TimeoutEngine(UpstreamEngine(transport, protocol, latency), _timeouts(settings))
    format = UPSTREAM_PARSED if is_chat and not settings.format else _format(settings, "", name)
    return Model(_names(name, settings), engine, format, None, latency)


def _load_balancer(
    settings: UpstreamSettings,
    protocol: Callable[[Source], Protocol],
    latency: Histogram,
    environment: Mapping[str, str],
) -> LoadBalancer:
    """Return an engine per URL, each with its own timeouts, so that another can replace one that hangs."""
    try:
        from headrace.engines.http import HttpTransport
    except ImportError as error:
        msg = f"cannot reach a server ({error}); pip install 'headrace[upstream]'"
        raise EngineError(msg) from None
    key = read_key(settings.key, environment)
    engines = []
    for url in settings.url:
        transport = HttpTransport(url, key=key, key_variable=settings.key)
        engine = UpstreamEngine(transport, protocol(transport.source), latency)
        engines.append(TimeoutEngine(engine, _timeouts(settings)))
    return LoadBalancer(engines)


def _timeouts(settings: ModelSettings) -> Timeouts:
    return Timeouts(first_token=settings.first_token, idle=settings.idle, total=settings.total)


def _names(name: str, settings: ModelSettings) -> list[str]:
    return [own for own in (name, *settings.names) if own] or list(ZAI_NAMES)


def _format(settings: ModelSettings, template: str, name: str) -> Format:
    format = settings.format or detect_format(template, name)
    if format not in FORMATS:
        reason = f"format is {format!r}" if format else f"the family of {name or 'the model'} is not known"
        msg = f"{reason}; set format to one of {', '.join(FORMATS)}"
        raise RequestError(msg)
    return FORMATS[format]


def _required_template(name: str, settings: CompletionsSettings) -> TemplateSource:
    if not settings.template:
        msg = (
            f'model {name}: engine = "completions" needs template: the model\'s GGUF file, its Hugging'
            ' Face directory or a Jinja file; engine = "chat" needs none'
        )
        raise RequestError(msg)
    return find_template(settings.template)


def _embedded_path() -> Path:
    try:
        from headrace_tiny import model_path
    except ImportError:
        msg = "the embedded model is not installed; pip install headrace-tiny, or give --model FILE.gguf"
        raise EngineError(msg) from None
    return model_path()
