"""The options of models: `[models.NAME]`, a class for each engine.

`configuration/` fills them from flags, environment variables and headrace.toml.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from headrace.engines.protocols import DialectName
from headrace.formats import FORMATS
from headrace.options import Seconds, describe, unit

__all__ = [
    "ENGINES",
    "ChatSettings",
    "CompletionsSettings",
    "LlamaSettings",
    "ModelSettings",
    "RecordedSettings",
    "UpstreamSettings",
]

_INT32: Final = 2**31 - 1  # llama.cpp's integer type


class ModelSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="engine"
):
    """Options that every engine has."""

    aliases: Annotated[
        tuple[str, ...],
        describe(
            "further names that clients can use for the model, separated by commas; * means any name that no"
            " other model has",
            "NAMES",
            default="none; the embedded model and --model have the names of Z.ai's models as well",
        ),
    ] = ()
    format: Annotated[
        str,
        describe(
            f"model family, which determines how the output is parsed: {', '.join(FORMATS)}",
            "FAMILY",
            default="detected from the chat template, or else from the model's name",
        ),
    ] = ""
    first_token_timeout: Annotated[
        Seconds,
        describe(
            "timeout for the first token, including queueing and prompt processing; 0 means no timeout",
            at_limit="504: 1234",
        ),
    ] = 300.0
    idle_timeout: Annotated[
        Seconds,
        describe(
            "timeout between two tokens; 0 means no timeout", at_limit="the answer ends with `network_error`"
        ),
    ] = 120.0
    total_timeout: Annotated[
        Seconds,
        describe(
            "timeout for the complete answer, including queueing; 0 means no timeout",
            at_limit="504: 1234; after the first token, the answer ends with `network_error`",
        ),
    ] = 0.0


_ChatTemplate = Annotated[
    str,
    describe(
        "chat template: a Jinja file, a GGUF file, a model directory from Hugging Face, or Jinja source text",
        "FILE",
        default="the model's own, from its GGUF file or its server",
    ),
]


_TemplateVariables = Annotated[
    dict[str, Any],
    describe(
        'further variables of the chat template, such as { builtin_tools = ["browser"] }, which a request can'
        ' override, or its special tokens, such as { eos_token = "</s>" }',
        "TABLE",
        default="the special tokens of the model's vocabulary",
        sources=("file",),
    ),
]


_ThinkingFallback = Annotated[
    Literal["reject", "low"],
    describe(
        "response to a request that disables thinking, if the model always thinks but has levels of effort,"
        ' as GLM-5.3 does: reject returns error 1212, low answers with reasoning_effort "low"'
    ),
]


_Context = Annotated[
    int,
    unit("TOKENS", least=0),
    describe(
        "context size, prompt and answer together; with engine llama, that of each slot, rounded up to a"
        " multiple of 256; otherwise that of the model on its server, which limits max_tokens",
        default="the size that the model was trained with, or that the server reports",
    ),
]


class LlamaSettings(ModelSettings, frozen=True, tag="llama"):
    """A model that llama.cpp runs in the server process."""

    path: Annotated[
        Path | None,
        describe("GGUF file of the model", "FILE", default="the embedded model", sources=("file",)),
    ] = None
    chat_template: _ChatTemplate = ""
    chat_template_kwargs: _TemplateVariables = {}
    thinking_fallback: _ThinkingFallback = "reject"
    slots: Annotated[
        int,
        unit("N", least=1, most=256),  # llama.cpp's limit of sequences
        describe("number of concurrent generations, 1 to 256; further requests wait for a free slot"),
    ] = 4
    context: _Context = 0
    threads: Annotated[
        int,
        unit("N", least=0, most=512),  # llama.cpp's limit of threads
        describe(
            "number of CPU threads, up to 512; 0 chooses what is fastest: one for the embedded model, one per"
            " physical core for others"
        ),
    ] = 0
    gpu_layers: Annotated[
        int,
        unit("N", least=-1, most=_INT32),
        describe(
            "number of layers to offload to a GPU, if llama.cpp was built with GPU support; 0 means none, -1"
            " means all that fit"
        ),
    ] = -1

    max_waiting: Annotated[
        int,
        unit("N", least=0),
        describe(
            "number of requests that can wait for a slot; further ones get status 429 (1305)",
            at_limit="429: 1305",
        ),
    ] = 512
    max_waiting_per_key: Annotated[
        int,
        unit("N", least=0),
        describe(
            "number of requests of one API key that can wait for a slot; further ones get status 429 (1302)."
            " Keys are served round-robin. Without API keys, only --max-waiting applies",
            at_limit="429: 1302",
        ),
    ] = 128

    def __post_init__(self) -> None:
        if self.slots * self.context > _INT32:
            msg = f"slots × context is {self.slots * self.context}; it must be at most {_INT32}"
            raise ValueError(msg)


class UpstreamSettings(ModelSettings, frozen=True):
    """A model that another server runs."""

    url: Annotated[
        tuple[str, ...],
        describe(
            "base URL of the server, such as http://gpu1:8000/v1; requests are balanced over several URLs",
            "URL",
            sources=("file",),
        ),
    ] = ()
    upstream_model: Annotated[
        str, describe("the model's name on the server", "NAME", default="the same name as in Headrace")
    ] = ""
    upstream_key_env: Annotated[
        str,
        describe(
            "name of the environment variable that contains the server's API key",
            "VARIABLE",
            default="no key is sent",
        ),
    ] = ""
    upstream_ca: Annotated[
        Path | None,
        describe(
            "file with certificates (PEM) to trust for https, in addition to those of the system",
            "FILE",
            default="those of the system, or of SSL_CERT_FILE",
        ),
    ] = None
    context: _Context = 0
    dialect: Annotated[
        DialectName,
        describe(
            "kind of server, which determines the extensions of the API to use",
            default="openai; detected with --upstream",
        ),
    ] = "openai"

    forward_mesh_headers: Annotated[
        bool,
        describe(
            "whether the server gets the x-request-id and x-gateway-inference-* headers of clients, in a"
            " service mesh around both: clients choose their priority there. Otherwise x-request-id is the"
            " turn's id; traceparent and tracestate are sent always",
            "{true,false}",
        ),
    ] = False

    images: Annotated[
        bool | None,
        describe(
            "whether the model accepts images, which engine chat sends to its server",
            "{true,false}",
            default="by the name, such as glm-4.6v, qwen3-vl, gpt-4o, pixtral, llava or gemma-3-4b",
        ),
    ] = None

    def __post_init__(self) -> None:
        if not self.url:
            msg = "url is missing; for example http://gpu1:8000/v1"
            raise ValueError(msg)
        if self.upstream_key_env and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", self.upstream_key_env):
            msg = "upstream_key_env must be the NAME of an environment variable, such as VLLM_API_KEY"
            raise ValueError(msg)


class CompletionsSettings(UpstreamSettings, frozen=True, tag="completions"):
    """A model whose server returns raw text: Headrace renders the prompt and parses the output."""

    chat_template: _ChatTemplate = ""
    chat_template_kwargs: _TemplateVariables = {}
    thinking_fallback: _ThinkingFallback = "reject"
    default_max_tokens: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None,
        describe(
            "max_tokens of requests that do not set it",
            "TOKENS",
            default="the rest of the context; 4096 if the context is unknown and the server needs a limit",
        ),
    ] = None


class ChatSettings(UpstreamSettings, frozen=True, tag="chat"):
    """A model whose server renders the prompt and parses the output."""


class RecordedSettings(ModelSettings, frozen=True, tag="recorded"):
    """Recordings instead of a model."""

    path: Annotated[
        Path,
        describe(
            "recording, or directory of recordings to play one after the other", "FILE", sources=("file",)
        ),
    ]
    speed: Annotated[
        float,
        unit("FACTOR", least=0, most=1e9),
        describe("playback speed; 2 is twice as fast as recorded, 0 means without delays"),
    ] = 1.0
    fault: Annotated[
        Literal["", "cut", "stall", "garbage", "error"],
        describe("fault to inject into every response", default="none"),
    ] = ""
    fault_after: Annotated[
        int,
        unit("READS", least=0),
        describe("number of recorded reads to play before the fault; 0 injects it before the first"),
    ] = 0


ENGINES: Final[Mapping[str, type[ModelSettings]]] = {
    "llama": LlamaSettings,
    "completions": CompletionsSettings,
    "chat": ChatSettings,
    "recorded": RecordedSettings,
}
"""Engines by the value of `engine`."""
