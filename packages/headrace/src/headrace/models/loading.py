"""Settings → models: what is named becomes an engine, a format and a template."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from headrace.engines.load_balancer import LoadBalancer
from headrace.engines.protocols import DIALECTS, Chat, Completions, Protocol
from headrace.engines.protocols.error_mapping import Source
from headrace.engines.protocols.grammar import SYNTAXES
from headrace.engines.protocols.upstream_parsed import UPSTREAM_PARSED
from headrace.engines.recorded import Fault, ReplayTransport
from headrace.engines.recording import read_recording
from headrace.engines.timeouts import TimeoutEngine, Timeouts
from headrace.engines.upstream import UpstreamEngine
from headrace.errors import EngineError, RequestError
from headrace.formats import FORMATS, Format
from headrace.models.families import detect_format
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

# What it was not trained for can make so small a model repeat itself up to the end of its context.
_EMBEDDED_MAX_TOKENS: Final = 1024


def load_model(name: str, settings: ModelSettings, environment: Mapping[str, str] = os.environ) -> Model:
    """Load what the settings name.

    Args:
        name: what clients call it; "" for the embedded model's own names.
        settings: of one of the engines.
        environment: holds the servers' keys.

    Raises:
        EngineError: a file is missing or unusable, or a package is not installed.
        RequestError: the settings do not fit together.
    """
    match settings:
        case LlamaSettings():
            return _llama(name, settings)
        case CompletionsSettings():
            return _completions(name, settings, environment)
        case ChatSettings():
            return _chat(name, settings, environment)
        case RecordedSettings():
            return _recorded(name, settings)
        case _:
            msg = f"{type(settings).__name__} is no engine's"
            raise TypeError(msg)


def read_key(variable: str, environment: Mapping[str, str]) -> str:
    """The key that a variable holds; "" if none is named.

    Raises:
        RequestError: the variable is not set.
    """
    if variable and not environment.get(variable):
        msg = f"key names the environment variable {variable}, which is not set"
        raise RequestError(msg)
    return environment[variable] if variable else ""


def _llama(name: str, settings: LlamaSettings) -> Model:
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
    )
    clocked = TimeoutEngine(engine, _clocks(settings))
    return Model(_names(name, settings), clocked, format, template.compile(writes_bos=False))


def _completions(name: str, settings: CompletionsSettings, environment: Mapping[str, str]) -> Model:
    template = _needed_template(name, settings)
    format = _format(settings, template.text, settings.upstream_model or name)
    dialect = DIALECTS[settings.dialect]
    writes_bos = dialect.completions.get("add_special_tokens") is False

    def protocol(source: Source) -> Protocol:
        return Completions(
            dialect,
            source,
            model=settings.upstream_model or name,
            syntax=SYNTAXES.get(format.name),
            max_tokens=settings.max_tokens,
        )

    pool = _pool(settings, protocol, environment)
    return Model(_names(name, settings), pool, format, template.compile(writes_bos=writes_bos))


def _chat(name: str, settings: ChatSettings, environment: Mapping[str, str]) -> Model:
    format = _format(settings, "", name) if settings.format else UPSTREAM_PARSED

    def protocol(source: Source) -> Protocol:
        model = settings.upstream_model or name
        return Chat(DIALECTS[settings.dialect], source, model=model, format=format)

    pool = _pool(settings, protocol, environment)
    return Model(_names(name, settings), pool, format, None)


def _recorded(name: str, settings: RecordedSettings) -> Model:
    paths = sorted(settings.path.glob("*.jsonl")) if settings.path.is_dir() else [settings.path]
    if not paths:
        msg = f"{settings.path} holds no traces (*.jsonl); `headrace record --to {settings.path}` writes some"
        raise EngineError(msg)
    traces = [read_recording(path) for path in paths]
    fault = Fault(settings.fault, settings.fault_after) if settings.fault else None
    transport = ReplayTransport(traces, speed=settings.speed, fault=fault)
    is_chat = traces[0].path == Chat.path
    dialect = DIALECTS["openai"]
    protocol: Protocol = (
        Chat(dialect, transport.source, model=name) if is_chat else Completions(dialect, transport.source)
    )
    engine = TimeoutEngine(UpstreamEngine(transport, protocol), _clocks(settings))
    format = UPSTREAM_PARSED if is_chat and not settings.format else _format(settings, "", name)
    return Model(_names(name, settings), engine, format, None)


def _pool(
    settings: UpstreamSettings,
    protocol: Callable[[Source], Protocol],
    environment: Mapping[str, str],
) -> LoadBalancer:
    """An engine for each URL. Each try has its own clocks, so that a server that hangs can be passed over."""
    try:
        from headrace.engines.http import HttpTransport
    except ImportError as error:
        msg = f"cannot reach a server ({error}); pip install 'headrace[upstream]'"
        raise EngineError(msg) from None
    key = read_key(settings.key, environment)
    engines = []
    for url in settings.url:
        transport = HttpTransport(url, key=key, key_variable=settings.key)
        engine = UpstreamEngine(transport, protocol(transport.source))
        engines.append(TimeoutEngine(engine, _clocks(settings)))
    return LoadBalancer(engines)


def _clocks(settings: ModelSettings) -> Timeouts:
    return Timeouts(first_token=settings.first_token, idle=settings.idle, total=settings.total)


def _names(name: str, settings: ModelSettings) -> list[str]:
    return [own for own in (name, *settings.names) if own] or list(ZAI_NAMES)


def _format(settings: ModelSettings, template: str, name: str) -> Format:
    format = settings.format or detect_format(template, name)
    if format not in FORMATS:
        given = f"format is {format!r}" if format else f"the family of {name or 'the model'} is not known"
        msg = f"{given}; set format to one of {', '.join(FORMATS)}"
        raise RequestError(msg)
    return FORMATS[format]


def _needed_template(name: str, settings: CompletionsSettings) -> TemplateSource:
    if not settings.template:
        msg = (
            f'model {name}: engine = "completions" needs template: the model\'s GGUF file, its directory of'
            ' Hugging Face or a Jinja file; engine = "chat" needs none'
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
