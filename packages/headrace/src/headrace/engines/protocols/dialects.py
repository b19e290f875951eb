"""The dialects: what each kind of server is sent. A new server is a table, not code.

All responses are read alike (`chat.py`, `completions.py`): every known quirk is tolerated from every server,
because a proxy hides which server responds.

Sources: vLLM and SGLang `entrypoints/openai/…/protocol.py`, llama.cpp `tools/server/README.md`,
docs/wire.md for Z.ai.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

import msgspec

from headrace.wire.request import ChatRequest
from headrace.wire.sampling import SAMPLING_FIELDS

__all__ = [
    "DIALECTS",
    "AbortEndpoint",
    "Dialect",
    "DialectName",
    "Tokenizer",
    "detect_dialect",
    "json_schema_field",
    "response_format_field",
    "sampling_fields",
]

DialectName = Literal["openai", "zai", "vllm", "sglang", "llama.cpp"]

_PENALTIES: Final = frozenset({"frequency_penalty", "logit_bias", "presence_penalty"})
_USAGE: Final = {"stream_options": {"include_usage": True}}


class AbortEndpoint(msgspec.Struct, frozen=True):
    """An endpoint that aborts one generation: `POST path` with `{id_field: id}`.

    Args:
        path: from the server's root.
        id_field: the field for the id, in the generation's own request and in the abort's.
    """

    path: str
    id_field: str


class Tokenizer(msgspec.Struct, frozen=True):
    """The endpoints that count the tokens of a prompt.

    Args:
        path: for raw text, from the server's root.
        prompt_field: of the prompt.
        fields: further fields of the request for raw text.
        chat_path: for messages and tools, which the server renders: from its root, or relative to its API.
    """

    path: str
    prompt_field: str
    fields: Mapping[str, Any]
    chat_path: str


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """The requests that one kind of server accepts.

    Args:
        name: the value of a model's `dialect` option.
        thinking: how to switch thinking: Z.ai's `thinking` object, variables of the chat template, or
            `reasoning_effort` alone.
        forwarded: the members of `SAMPLING_FIELDS` that the server accepts; the others are left out.
        abort: how to abort a generation, before its connection is closed; None if closing the connection
            suffices.
        tokenizer: how to count the tokens of a prompt; None if the server cannot.
        owners: values of `owned_by` in the server's list of models.
        hosts: host names of the service.
        fields: of every request.
        completions: further fields of a request for raw text.
        counting: further fields of one with `stop`: the server withholds text that may begin a stop string,
            so that a chunk may have several tokens, and reports how many.
        sampling: defaults for fields that the client omits. Empty if the server itself uses the model's.
        do_sample: whether `do_sample` is accepted; for other servers, greedy is a temperature of 0.
        unlimited: the `max_tokens` of raw text for all that fits; None if the server has no such value.
        fills_context: whether an answer without `max_tokens` may fill the context, also of chat.
        structure: how to constrain raw text: by a structural tag, by `json_schema`, which cannot skip the
            thinking, or not at all.
        renamed: fields that have a different name.
        bias_pairs: whether `logit_bias` is sent as pairs: llama.cpp looks up keys of an object linearly.
        tool_stream: whether `tool_stream` is accepted.
        seed_bits: the maximum size of a seed.
        line_ends: whether the line ends before reasoning and content belong to the answer, as in Z.ai's own;
            a server's parser merely leaves those of the markup.
        penalizes_prompt: whether penalties count the tokens of the prompt too, so that they also count those
            of an answer to be continued.
        continues_by: what the prompt is when an answer is continued: its text, the list of token ids that
            the server reported, or a list of texts and of the ids that `verbose` returns.
    """

    name: DialectName
    thinking: Literal["object", "template", "effort"]
    forwarded: frozenset[str]
    abort: AbortEndpoint | None
    tokenizer: Tokenizer | None = None
    owners: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    fields: Mapping[str, Any] = {}
    completions: Mapping[str, Any] = {}
    counting: Mapping[str, Any] = {}
    sampling: Mapping[str, Any] = {}
    do_sample: bool = False
    unlimited: int | None = None
    fills_context: bool = False
    structure: Literal["structural_tag", "json_schema", ""] = ""
    renamed: Mapping[str, str] = {}
    bias_pairs: bool = False
    tool_stream: bool = False
    seed_bits: int = 63
    line_ends: bool = False
    penalizes_prompt: bool = True
    continues_by: Literal["text", "ids", "mixed"] = "text"

    def id_field(self, id: str) -> dict[str, str]:
        """Return the field that identifies a generation to the abort endpoint."""
        return {self.abort.id_field: id} if self.abort and id else {}


_TABLE: Final = (
    Dialect(
        name="openai",
        thinking="effort",
        forwarded=_PENALTIES,  # api.openai.com rejects unknown fields
        abort=None,
        fields=_USAGE,
    ),
    Dialect(
        name="zai",
        thinking="object",
        forwarded=SAMPLING_FIELDS,  # api.z.ai ignores unknown fields; another Headrace forwards these
        abort=None,
        owners=frozenset({"headrace", "z-ai", "zhipuai"}),
        hosts=frozenset({"api.z.ai", "open.bigmodel.cn"}),
        do_sample=True,
        tool_stream=True,
        line_ends=True,
    ),
    Dialect(
        name="vllm",
        thinking="template",
        fills_context=True,
        forwarded=SAMPLING_FIELDS,
        abort=None,
        tokenizer=Tokenizer("/tokenize", "prompt", {"add_special_tokens": False}, "/tokenize"),
        owners=frozenset({"vllm"}),
        fields=_USAGE,
        completions={
            "skip_special_tokens": False,
            "spaces_between_special_tokens": False,
            "add_special_tokens": False,  # the template writes them
            "return_token_ids": True,  # a chunk may hold several tokens
        },
        unlimited=2**31 - 1,  # up to its context, which it reduces to what fits; null is its default of 16
        structure="structural_tag",
        penalizes_prompt=False,
        continues_by="ids",
    ),
    Dialect(
        name="sglang",
        thinking="template",
        fills_context=True,
        forwarded=SAMPLING_FIELDS,
        # Some versions continue to generate after a disconnect, and then ignore an abort (sglang#36333).
        abort=AbortEndpoint("/abort_request", "rid"),
        tokenizer=Tokenizer("/tokenize", "prompt", {}, "/tokenize"),  # of messages since 0.5.23
        owners=frozenset({"sglang"}),
        fields=_USAGE,
        completions={"skip_special_tokens": False, "return_token_ids": True},
        sampling={"temperature": 1.0, "top_p": 0.95},
        structure="structural_tag",
        penalizes_prompt=False,
        continues_by="ids",
    ),
    Dialect(
        name="llama.cpp",
        thinking="template",
        fills_context=True,
        forwarded=SAMPLING_FIELDS - {"min_tokens"},
        abort=None,
        tokenizer=Tokenizer(
            "/tokenize",
            "content",
            {"add_special": True, "parse_special": True},
            "chat/completions/input_tokens",
        ),
        owners=frozenset({"llamacpp"}),
        fields=_USAGE,
        completions={"return_progress": True},
        counting={"timings_per_token": True, "verbose": True},  # 10 to 50 µs per token
        # Without top_k, top_p sorts the whole vocabulary: +400 µs per token. The default of min_p is 0.05.
        sampling={"temperature": 1.0, "top_p": 0.95, "top_k": 40, "min_p": 0.0},
        unlimited=-1,
        # Its `grammar` would allow more, but a schema is for llguidance, and a server that was built without
        # llguidance aborts on such a grammar.
        structure="json_schema",
        renamed={"repetition_penalty": "repeat_penalty"},
        bias_pairs=True,
        seed_bits=32,
        continues_by="mixed",
    ),
)

DIALECTS: Final[Mapping[DialectName, Dialect]] = {dialect.name: dialect for dialect in _TABLE}
"""Every dialect by its name. `zai` is api.z.ai and another Headrace."""

assert set(DIALECTS) == set(get_args(DialectName))


def detect_dialect(owner: str, host: str) -> DialectName:
    """Detect a server's dialect from the `owned_by` of its models and its host name; `openai` if unknown."""
    by_owner = (dialect.name for dialect in _TABLE if owner in dialect.owners)
    by_host = (dialect.name for dialect in _TABLE if host in dialect.hosts)
    return next(by_owner, next(by_host, "openai"))


def sampling_fields(request: ChatRequest, dialect: Dialect) -> dict[str, Any]:
    """Return the fields for sampling and stop strings; unset fields without a default are left out."""
    own = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": None if request.seed is None else request.seed % 2**dialect.seed_bits,
        "stop": request.stops or None,
    }
    fields = {
        **dialect.sampling,
        **{name: value for name, value in request.extra.items() if name in dialect.forwarded},
        **{name: value for name, value in own.items() if value is not None},
    }
    if dialect.bias_pairs and "logit_bias" in fields:
        fields["logit_bias"] = [(int(id), bias) for id, bias in fields["logit_bias"].items()]
    if not request.do_sample:
        fields = {name: value for name, value in fields.items() if name not in ("temperature", "top_p")}
        fields |= {"do_sample": False} if dialect.do_sample else {"temperature": 0.0}
    return {dialect.renamed.get(name, name): value for name, value in fields.items()}


def response_format_field(request: ChatRequest) -> dict[str, Any]:
    """Return `response_format` without its absent fields."""
    fields = msgspec.to_builtins(request.response_format)
    return {key: value for key, value in fields.items() if value is not None}


def json_schema_field(request: ChatRequest) -> dict[str, Any]:
    """Return llama-server's field that constrains raw text to the request's `response_format`."""
    schema = (request.response_format.json_schema or {}).get("schema")
    return {"json_schema": {"type": "object"} if schema is None else schema}
