"""Settings → models: what is named becomes an engine, a format and a template."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from headrace.engines.gguf import read_metadata
from headrace.engines.latency import Histogram
from headrace.engines.load_balancer import LoadBalancer
from headrace.engines.protocols import DIALECTS, Chat, Completions, Protocol
from headrace.engines.protocols.error_mapping import Source
from headrace.engines.protocols.grammar import SYNTAXES
from headrace.engines.protocols.upstream_parsed import UPSTREAM_PARSED
from headrace.engines.recorded import Fault, ReplayTransport
from headrace.engines.recording import read_recording
from headrace.engines.timeouts import TimeoutEngine, Timeouts
from headrace.engines.upstream import UpstreamEngine
from headrace.errors import EngineError
from headrace.extras import needs_extra
from headrace.files import reading
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
from headrace.models.templates import find_template, model_template
from headrace.options import OptionError, errors_of

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
        OptionError: a file is missing or unusable, or the settings do not fit together.
        EngineError: a package is not installed, or llama.cpp cannot run the file.
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
            msg = f"{type(settings).__name__} is no engine's"
            raise TypeError(msg)


def read_key(variable: str, environment: Mapping[str, str]) -> str:
    """The key that a variable holds; "" if none is named.

    Raises:
        OptionError: the variable is not set.
    """
    if variable and not environment.get(variable):
        raise OptionError(
            "upstream_key_env", f"the environment variable {variable} is not set; set it to the server's key"
        )
    return environment[variable] if variable else ""


def _llama(name: str, settings: LlamaSettings, latency: Histogram) -> Model:
    from headrace.engines.llama import LlamaEngine

    path = settings.path or _embedded_path()
    if settings.chat_template:
        with errors_of("path"):
            read_metadata(path)
    with errors_of("chat_template" if settings.chat_template else "path"):
        source = find_template(settings.chat_template) if settings.chat_template else model_template(path)
        template = source.compile(writes_bos=False)
    format = _format(settings, source.text, path.stem)
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
    clocked = TimeoutEngine(engine, _clocks(settings))
    return Model(_names(name, settings), clocked, format, template, latency)


def _completions(
    name: str, settings: CompletionsSettings, latency: Histogram, environment: Mapping[str, str]
) -> Model:
    dialect = DIALECTS[settings.dialect]
    with errors_of("chat_template"):
        source = find_template(_needed_template(settings))
        template = source.compile(writes_bos=dialect.completions.get("add_special_tokens") is False)
    format = _format(settings, source.text, settings.upstream_model or name)

    def protocol(source: Source) -> Protocol:
        return Completions(
            dialect,
            source,
            model=settings.upstream_model or name,
            syntax=SYNTAXES.get(format.name),
            max_tokens=settings.default_max_tokens,
        )

    pool = _pool(settings, protocol, latency, environment)
    return Model(_names(name, settings), pool, format, template, latency)


def _chat(name: str, settings: ChatSettings, latency: Histogram, environment: Mapping[str, str]) -> Model:
    format = _format(settings, "", name) if settings.format else UPSTREAM_PARSED

    def protocol(source: Source) -> Protocol:
        model = settings.upstream_model or name
        return Chat(DIALECTS[settings.dialect], source, model=model, format=format)

    pool = _pool(settings, protocol, latency, environment)
    return Model(_names(name, settings), pool, format, None, latency)


def _recorded(name: str, settings: RecordedSettings, latency: Histogram) -> Model:
    with errors_of("path"):
        recordings = [read_recording(path) for path in _recording_paths(settings.path)]
    fault = Fault(settings.fault, settings.fault_after) if settings.fault else None
    transport = ReplayTransport(recordings, speed=settings.speed, fault=fault)
    is_chat = recordings[0].path == Chat.path
    dialect = DIALECTS["openai"]
    protocol: Protocol = (
        Chat(dialect, transport.source, model=name) if is_chat else Completions(dialect, transport.source)
    )
    engine = TimeoutEngine(UpstreamEngine(transport, protocol, latency), _clocks(settings))
    format = UPSTREAM_PARSED if is_chat and not settings.format else _format(settings, "", name)
    return Model(_names(name, settings), engine, format, None, latency)


def _recording_paths(place: Path) -> list[Path]:
    with reading("the recording", place):
        paths = sorted(place.glob("*.jsonl")) if place.is_dir() else [place]
    if not paths:
        msg = f"{place} contains no recordings (*.jsonl); `headrace record --output-dir {place}` writes some"
        raise EngineError(msg)
    return paths


def _pool(
    settings: UpstreamSettings,
    protocol: Callable[[Source], Protocol],
    latency: Histogram,
    environment: Mapping[str, str],
) -> LoadBalancer:
    """An engine for each URL. Each try has its own clocks, so that a server that hangs can be passed over."""
    with needs_extra("upstream"):
        from headrace.engines.http import HttpTransport
    key = read_key(settings.upstream_key_env, environment)
    engines = []
    for url in settings.url:
        transport = HttpTransport(url, key=key, key_variable=settings.upstream_key_env)
        engine = UpstreamEngine(transport, protocol(transport.source), latency)
        engines.append(TimeoutEngine(engine, _clocks(settings)))
    return LoadBalancer(engines)


def _clocks(settings: ModelSettings) -> Timeouts:
    return Timeouts(
        first_token=settings.first_token_timeout, idle=settings.idle_timeout, total=settings.total_timeout
    )


def _names(name: str, settings: ModelSettings) -> list[str]:
    return [own for own in (name, *settings.aliases) if own] or list(ZAI_NAMES)


def _format(settings: ModelSettings, template: str, name: str) -> Format:
    format = settings.format or detect_format(template, name)
    if format not in FORMATS:
        known = f"it must be one of {', '.join(FORMATS)}"
        if format:
            raise OptionError("format", f"{format!r} is not known; {known}")
        raise OptionError("format", f"the family of {name or 'the model'} cannot be detected; {known}")
    return FORMATS[format]


def _needed_template(settings: CompletionsSettings) -> str:
    if not settings.chat_template:
        raise OptionError(
            "chat_template",
            'engine = "completions" needs the model\'s GGUF file, its directory from Hugging Face or a Jinja'
            ' file; engine = "chat" needs none',
        )
    return settings.chat_template


def _embedded_path() -> Path:
    with needs_extra("tiny", otherwise=", or give --model FILE.gguf"):
        from headrace_tiny import model_path
    return model_path()
