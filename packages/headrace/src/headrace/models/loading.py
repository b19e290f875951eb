"""Settings → models: an engine, a format and a template each."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from headrace.engines import Engine
from headrace.engines.gguf import check_metadata, read_metadata, vocabulary_tokens
from headrace.engines.load_balancer import LoadBalancer
from headrace.engines.protocols import DIALECTS, Chat, Completions, Protocol
from headrace.engines.protocols.chat import UPSTREAM_PARSED
from headrace.engines.protocols.error_mapping import Upstream
from headrace.engines.protocols.token_limits import TokenLimits
from headrace.engines.recorded import Fault, ReplayTransport
from headrace.engines.timeouts import TimeoutEngine, Timeouts
from headrace.engines.upstream import UpstreamEngine
from headrace.errors import EngineError
from headrace.foreign_errors import needs_extra, reading
from headrace.formats import FORMATS, TEXT, UNKNOWN, Format
from headrace.models.detection import detect_format, text_format
from headrace.models.names import ANY_NAME, ZAI_NAMES, has_vision
from headrace.models.registry import Model
from headrace.models.settings import (
    ChatSettings,
    CompletionsSettings,
    LlamaSettings,
    ModelSettings,
    RecordedSettings,
    UpstreamSettings,
)
from headrace.models.templates import PLAIN, PLAIN_STOPS, find_template, model_template
from headrace.options import OptionError, errors_of
from headrace.parsing.compiled import compile_format
from headrace.prompts import ChatTemplate
from headrace.prompts.escaping import escape
from headrace.recording import read_recording

__all__ = ["load_model", "read_key"]

# On input unlike its training data, so small a model may repeat itself until its context is full.
_EMBEDDED_MAX_TOKENS: Final = 1024
_EMBEDDED_THREADS: Final = 1  # more only wait for each other


def load_model(name: str, settings: ModelSettings, environment: Mapping[str, str] = os.environ) -> Model:
    """Load a model.

    Args:
        name: for clients; "" for the embedded model's own names.
        settings: of one of the engines; the default `LlamaSettings` are those of the embedded model.
        environment: has the keys of upstream servers.

    Raises:
        OptionError: a file is missing or unusable, or the settings are inconsistent.
        EngineError: a package is not installed, or llama.cpp cannot run the file.
    """
    match settings:
        case LlamaSettings():
            model = _llama(name, settings)
        case CompletionsSettings():
            model = _completions(name, settings, environment)
        case ChatSettings():
            model = _chat(name, settings, environment)
        case RecordedSettings():
            model = _recorded(name, settings)
        case _:
            msg = f"there is no engine for {type(settings).__name__}"
            raise TypeError(msg)
    # What is cached by format: compiled during the first answers, it would delay all streams.
    compile_format(model.format)
    escape("", model.format)
    return model


def read_key(variable: str, environment: Mapping[str, str]) -> str:
    """Return the key in an environment variable; "" without a variable.

    Raises:
        OptionError: the variable is not set.
    """
    if variable and not environment.get(variable):
        raise OptionError(
            "upstream_key_env", f"the environment variable {variable} is not set; set it to the server's key"
        )
    return environment[variable] if variable else ""


def _llama(name: str, settings: LlamaSettings) -> Model:
    from headrace.engines.llama import LlamaEngine
    from headrace.engines.llama_loading import physical_cores

    path = settings.path or _embedded_path()
    with errors_of("path"):
        check_metadata(path, read_metadata(path))
    with errors_of("chat_template" if settings.chat_template else "path"):
        source = find_template(settings.chat_template) if settings.chat_template else model_template(path)
        is_base = not source.text
        if is_base:
            source = PLAIN
        if source.tokens is None:
            source = msgspec.structs.replace(source, tokens=vocabulary_tokens(path))
        template = source.compile(writes_bos=False, variables=settings.chat_template_kwargs)
    format = TEXT if is_base and not settings.format else _format(settings, template, path.stem)
    if format in UNKNOWN:
        template.describe_tools()
    threads = settings.threads or (physical_cores() if settings.path else _EMBEDDED_THREADS)
    engine = LlamaEngine(
        path,
        format=format.name,
        slots=settings.slots,
        context=settings.context,
        threads=threads,
        gpu_layers=settings.gpu_layers,
        max_tokens=None if settings.path else _EMBEDDED_MAX_TOKENS,
        max_waiting=settings.max_waiting,
        max_waiting_per_key=settings.max_waiting_per_key,
    )
    limited = TimeoutEngine(engine, _timeouts(settings))
    resources = f"{settings.slots} slots of {engine.context} tokens, threads: {threads}"
    if engine.context < settings.context:
        resources += f"; context {settings.context} is more than the model was trained with"
    return Model(
        _names(name, settings),
        limited,
        format,
        template,
        engine.context,
        settings.thinking_fallback,
        enforces_schemas=True,
        special_tokens=frozenset(engine.special_tokens),
        resources=resources,
        default_stops=PLAIN_STOPS if is_base else (),
    )


def _completions(name: str, settings: CompletionsSettings, environment: Mapping[str, str]) -> Model:
    if settings.images:
        raise OptionError("images", 'engine = "completions" sends text only; set engine = "chat"')
    dialect = DIALECTS[settings.dialect]
    with errors_of("chat_template"):
        source = find_template(_required_template(settings))
        writes_bos = dialect.completions.get("add_special_tokens") is False
        template = source.compile(writes_bos=writes_bos, variables=settings.chat_template_kwargs)
    format = _format(settings, template, settings.upstream_model or name)
    if format in UNKNOWN:
        template.describe_tools()

    def protocol(upstream: Upstream) -> Protocol:
        return Completions(
            dialect,
            upstream,
            model=settings.upstream_model or name,
            limits=TokenLimits(dialect, settings.default_max_tokens, settings.context),
            format=format,
        )

    upstreams = _upstreams(settings, protocol, environment)
    return Model(
        _names(name, settings),
        _balanced(upstreams, settings),
        format,
        template,
        settings.context,
        settings.thinking_fallback,
        upstreams=upstreams,
    )


def _chat(name: str, settings: ChatSettings, environment: Mapping[str, str]) -> Model:
    format = _format(settings, None, name) if settings.format else UPSTREAM_PARSED
    dialect = DIALECTS[settings.dialect]

    def protocol(upstream: Upstream) -> Protocol:
        model = settings.upstream_model or name
        limits = TokenLimits(dialect, context=settings.context)
        return Chat(dialect, upstream, model=model, format=format, limits=limits)

    upstreams = _upstreams(settings, protocol, environment)
    images = settings.images
    if images is None:
        images = has_vision(settings.upstream_model or name)
    return Model(
        _names(name, settings),
        _balanced(upstreams, settings),
        format,
        None,
        settings.context,
        accepts_images=images,
        upstreams=upstreams,
    )


def _recorded(name: str, settings: RecordedSettings) -> Model:
    with errors_of("path"):
        recordings = [read_recording(path) for path in _recording_paths(settings.path)]
    fault = Fault(settings.fault, settings.fault_after) if settings.fault else None
    transport = ReplayTransport(recordings, speed=settings.speed, fault=fault)
    is_chat = recordings[0].path == Chat.path
    dialect = DIALECTS["openai"]
    protocol: Protocol = (
        Chat(dialect, transport.upstream, model=name) if is_chat else Completions(dialect, transport.upstream)
    )
    engine = TimeoutEngine(UpstreamEngine(transport, protocol), _timeouts(settings))
    format = UPSTREAM_PARSED if is_chat and not settings.format else _format(settings, None, name)
    return Model(_names(name, settings), engine, format, None)


def _recording_paths(place: Path) -> list[Path]:
    with reading("the recording", place):
        paths = sorted(place.glob("*.jsonl")) if place.is_dir() else [place]
    if not paths:
        msg = f"{place} contains no recordings (*.jsonl); `headrace record --output-dir {place}` writes some"
        raise EngineError(msg)
    return paths


def _upstreams(
    settings: UpstreamSettings,
    protocol: Callable[[Upstream], Protocol],
    environment: Mapping[str, str],
) -> tuple[UpstreamEngine, ...]:
    """Return an engine for each URL."""
    with needs_extra("upstream"):
        from headrace.engines.http import HttpTransport, tls_context
    key = read_key(settings.upstream_key_env, environment)
    with errors_of("upstream_ca"):
        tls = tls_context(settings.upstream_ca)
    upstreams: list[UpstreamEngine] = []
    for url in settings.url:
        with errors_of("url"):
            transport = HttpTransport(url, key=key, key_variable=settings.upstream_key_env, tls=tls)
        engine = UpstreamEngine(
            transport, protocol(transport.upstream), forwards_mesh=settings.forward_mesh_headers
        )
        upstreams.append(engine)
    return tuple(upstreams)


def _balanced(upstreams: Sequence[UpstreamEngine], settings: UpstreamSettings) -> Engine:
    """Return an engine over all; each has its own timeouts, so that another can replace one that hangs."""
    engines = [TimeoutEngine(upstream, _timeouts(settings)) for upstream in upstreams]
    return engines[0] if len(engines) == 1 else LoadBalancer(engines)


def _timeouts(settings: ModelSettings) -> Timeouts:
    return Timeouts(
        first_token=settings.first_token_timeout, idle=settings.idle_timeout, total=settings.total_timeout
    )


def _names(name: str, settings: ModelSettings) -> list[str]:
    """Return the names, `ANY_NAME` last: the first one is shown."""
    names = (name, *settings.aliases) if name else (*settings.aliases, *ZAI_NAMES)
    return sorted(dict.fromkeys(names), key=ANY_NAME.__eq__)


def _format(settings: ModelSettings, template: ChatTemplate | None, name: str) -> Format:
    if not settings.format:
        return detect_format(template, name) or text_format(template)
    if settings.format not in FORMATS:
        raise OptionError(
            "format", f"{settings.format!r} is not known; it must be one of {', '.join(FORMATS)}"
        )
    return FORMATS[settings.format]


def _required_template(settings: CompletionsSettings) -> str:
    if not settings.chat_template:
        raise OptionError(
            "chat_template",
            'engine = "completions" needs the model\'s GGUF file, its Hugging Face directory or a Jinja file;'
            ' engine = "chat" needs none',
        )
    return settings.chat_template


def _embedded_path() -> Path:
    with needs_extra("tiny", otherwise=", or give --model FILE.gguf"):
        from headrace_tiny import model_path
    return model_path()
