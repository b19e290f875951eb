"""What an operator decides about a model: tables of options.

`server/configuration.py` fills them from flags, the environment and headrace.toml.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from headrace.formats import FORMATS
from headrace.options import Seconds, describe, unit

__all__ = [
    "ENGINES",
    "ZAI_NAMES",
    "ChatSettings",
    "CompletionsSettings",
    "LlamaSettings",
    "ModelSettings",
    "RecordedSettings",
    "UpstreamSettings",
]

ZAI_NAMES: Final = (
    "glm-4.6",
    "glm-4.5",
    "glm-4.5-air",
    "glm-4.5-airx",
    "glm-4.5-flash",
    "glm-4.5-x",
    "headrace-tiny",
)
"""What the embedded model answers to, so that code written for Z.ai runs as it is."""

_INT32: Final = 2**31 - 1  # as llama.cpp counts


class ModelSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="engine"
):
    """A model, whatever runs it: `[models."name"]`."""

    names: Annotated[
        tuple[str, ...],
        describe(
            "further names that clients can use for the model, separated by commas",
            "NAMES",
            default="none; with --model, the names of Z.ai's models",
        ),
    ] = ()
    format: Annotated[
        str,
        describe(
            f"model family, which decides how the output is parsed: {', '.join(FORMATS)}",
            "FAMILY",
            default="guessed from the chat template, else from the name",
        ),
    ] = ""
    first_token: Annotated[
        Seconds,
        describe("timeout for the first token, including queueing and prompt processing; 0 means no limit"),
    ] = 300.0
    idle: Annotated[
        Seconds, describe("timeout for each further token after the one before it; 0 means no limit")
    ] = 120.0
    total: Annotated[Seconds, describe("timeout for the whole answer; 0 means no limit")] = 0.0


_Template = Annotated[
    str,
    describe(
        "chat template: a Jinja file, a GGUF file, a directory from Hugging Face, or the Jinja text itself",
        "FILE",
        default="the model's own, if the GGUF file or the server has one",
    ),
]


class LlamaSettings(ModelSettings, frozen=True, tag="llama"):
    """llama.cpp in this process."""

    path: Annotated[
        Path | None,
        describe("GGUF file of the model", "FILE", default="the embedded model", sources=("file",)),
    ] = None
    template: _Template = ""
    slots: Annotated[
        int,
        unit("N", least=1, most=256),  # llama.cpp has no more sequences
        describe("number of generations at once, 1 to 256; further requests wait for a free slot"),
    ] = 4
    context: Annotated[
        int,
        unit("TOKENS", least=0),
        describe(
            "context size of a slot, prompt and answer together; 0 means the size that the model was trained"
            " for",
        ),
    ] = 0
    threads: Annotated[
        int,
        unit("N", least=1, most=512),  # nor more threads
        describe(
            "number of CPU threads, 1 to 512; the embedded model runs fastest with 1, others with one per"
            " physical core",
        ),
    ] = 1
    gpu_layers: Annotated[
        int,
        unit("N", least=-1, most=_INT32),
        describe(
            "number of layers to offload to a GPU, if llama.cpp was built for one; 0 means none, -1 all that"
            " fit",
        ),
    ] = -1

    def __post_init__(self) -> None:
        if self.slots * self.context > _INT32:
            msg = f"slots times context is {self.slots * self.context}; it must be at most {_INT32}"
            raise ValueError(msg)


class UpstreamSettings(ModelSettings, frozen=True):
    """A model behind a server."""

    url: Annotated[
        tuple[str, ...],
        describe(
            "base URL of the server, such as http://gpu1:8000/v1; several URLs share the load",
            "URL",
            sources=("file",),
        ),
    ] = ()
    upstream_model: Annotated[
        str, describe("the model's name on the server", "NAME", default="the name that it has here")
    ] = ""
    key: Annotated[
        str,
        describe(
            "name of the environment variable that holds the server's API key",
            "NAME",
            default="no key is sent",
        ),
    ] = ""
    dialect: Annotated[
        Literal["openai", "zai", "vllm", "sglang", "llama.cpp"],
        describe("which server's extensions requests use", default="openai; guessed with --upstream"),
    ] = "openai"

    def __post_init__(self) -> None:
        if not self.url:
            msg = "url is missing; for example http://gpu1:8000/v1"
            raise ValueError(msg)
        if self.key and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", self.key):
            msg = "key must be the NAME of an environment variable that holds the key, such as VLLM_API_KEY"
            raise ValueError(msg)


class CompletionsSettings(UpstreamSettings, frozen=True, tag="completions"):
    """Raw text from the server; prompt and parsing are ours."""

    template: _Template = ""
    max_tokens: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None,
        describe(
            "limit for requests that set no max_tokens",
            "TOKENS",
            default="4096 for the dialects openai and sglang, else what fits into the context",
        ),
    ] = None


class ChatSettings(UpstreamSettings, frozen=True, tag="chat"):
    """The server renders and parses itself."""


class RecordedSettings(ModelSettings, frozen=True, tag="recorded"):
    """Traces, played."""

    path: Annotated[
        Path, describe("trace, or directory of traces that are played in turn", "FILE", sources=("file",))
    ]
    speed: Annotated[
        float,
        unit("FACTOR", least=0, most=1e9),
        describe("playback speed; 2 is twice as fast as recorded, 0 plays without delays"),
    ] = 1.0
    fault: Annotated[
        Literal["", "cut", "stall", "garbage", "error"],
        describe("fault to inject into every answer", default="none"),
    ] = ""
    fault_after: Annotated[
        int,
        unit("N", least=0),
        describe("number of recorded reads to play before the fault; 0 means that it comes first"),
    ] = 0


ENGINES: Final[Mapping[str, type[ModelSettings]]] = {
    "llama": LlamaSettings,
    "completions": CompletionsSettings,
    "chat": ChatSettings,
    "recorded": RecordedSettings,
}
"""What can run a model, by the name that `engine` gives it."""
