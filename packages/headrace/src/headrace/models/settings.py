"""What an operator decides about a model: tables of options, each described once, here.

`server/configuration.py` fills them from flags, the environment and headrace.toml; `headrace serve --help`
shows the descriptions.
"""

import re
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

__all__ = [
    "ZAI_NAMES",
    "ChatSettings",
    "CompletionsSettings",
    "LlamaSettings",
    "ModelSettings",
    "RecordedSettings",
    "UpstreamSettings",
    "descriptions",
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
_Positive = Annotated[int, msgspec.Meta(ge=1)]
_Natural = Annotated[int, msgspec.Meta(ge=0)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


class ModelSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="engine"
):
    """A model, whatever runs it: `[models."name"]`.

    Args:
        names: further names that clients may call it.
        format: the family whose markup it writes; guessed from the template or the name.
        first_token: seconds until the first token, waiting and reading the prompt included; 0 is no limit.
        idle: seconds of silence after that; 0 is no limit.
        total: seconds in all; 0 is no limit.
    """

    names: tuple[str, ...] = ()
    format: str = ""
    first_token: _Seconds = 300.0
    idle: _Seconds = 120.0
    total: _Seconds = 0.0


class LlamaSettings(ModelSettings, frozen=True, tag="llama"):
    """llama.cpp in this process.

    Args:
        path: the GGUF file; without one it is the embedded model.
        template: the chat template, where the file has none or a bad one; as for `completions`.
        slots: generations at once; more wait their turn.
        context: tokens of prompt and answer per slot; 0 is what the model was trained for.
        threads: that compute; 1 is best for the embedded model, the number of real cores for others.
        gpu_layers: layers to put on a GPU, where llama.cpp was built for one; -1 is as many as fit.
    """

    path: Path | None = None
    template: str = ""
    slots: Annotated[int, msgspec.Meta(ge=1, le=256)] = 4  # llama.cpp has no more sequences
    context: _Natural = 0
    threads: Annotated[int, msgspec.Meta(ge=1, le=512)] = 1  # nor more threads
    gpu_layers: Annotated[int, msgspec.Meta(ge=-1, le=_INT32)] = -1

    def __post_init__(self) -> None:
        if self.slots * self.context > _INT32:
            msg = f"slots times context is {self.slots * self.context}; it must be at most {_INT32}"
            raise ValueError(msg)


class UpstreamSettings(ModelSettings, frozen=True):
    """A model behind a server.

    Args:
        url: base URL of the server, such as http://gpu1:8000/v1; several share the load.
        upstream_model: what the server calls the model; its own name here if not given.
        key: NAME of the environment variable that holds the server's key.
        dialect: what kind of server it is.
    """

    url: tuple[str, ...] = ()
    upstream_model: str = ""
    key: str = ""
    dialect: Literal["openai", "zai", "vllm", "sglang", "llama.cpp"] = "openai"

    def __post_init__(self) -> None:
        if not self.url:
            msg = "url is missing; for example http://gpu1:8000/v1"
            raise ValueError(msg)
        if self.key and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", self.key):
            msg = "key must be the NAME of an environment variable that holds the key, such as VLLM_API_KEY"
            raise ValueError(msg)


class CompletionsSettings(UpstreamSettings, frozen=True, tag="completions"):
    """Raw text from the server; prompt and parsing are ours.

    Args:
        template: where the model's chat template lies: its GGUF file, its directory of Hugging Face, or
            a Jinja file; or the Jinja itself.
        max_tokens: where a client sets none and the server would cut off early.
    """

    template: str = ""
    max_tokens: _Positive | None = None


class ChatSettings(UpstreamSettings, frozen=True, tag="chat"):
    """The server renders and parses itself."""


class RecordedSettings(ModelSettings, frozen=True, tag="recorded"):
    """Traces, played.

    Args:
        path: a trace, or a directory of traces that are played in turn.
        speed: times faster than it was recorded; 0 is as fast as can be.
        fault: what goes wrong: cut, stall, garbage or error.
        fault_after: pieces that come before the fault.
    """

    path: Path
    speed: Annotated[float, msgspec.Meta(ge=0, le=1e9)] = 1.0
    fault: Literal["", "cut", "stall", "garbage", "error"] = ""
    fault_after: _Natural = 0


def descriptions(kind: type[msgspec.Struct]) -> dict[str, str]:
    """What each option of a table means, as its docstring says; inherited ones first."""
    texts: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        for name, text in re.findall(r"^ {8}(\w+): (.+(?:\n {12}.+)*)", base.__doc__ or "", re.MULTILINE):
            texts[name] = " ".join(text.split()).rstrip(".")
    return {name: texts[name] for name in kind.__struct_fields__}
