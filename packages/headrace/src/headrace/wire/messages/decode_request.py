"""The body of a Messages request → a validated `ChatRequest`.

The fields are translated to those of Z.ai's API, which are then validated as usual. Unknown fields, betas and
versions are ignored: clients send new ones all the time.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec

from headrace.errors import RequestError
from headrace.wire.decode_request import LENGTHS, decode_body, validate_request
from headrace.wire.messages.blocks import field, missing, rejected, text_of_blocks, wrong
from headrace.wire.messages.history import References, translate_messages
from headrace.wire.messages.tools import translate_choice, translate_tools
from headrace.wire.sources import Decoded, Source, Sources

__all__ = ["MessageOptions", "ThreadError", "decode_count_request", "decode_message_request"]

_COPIED: Final = ("temperature", "top_p", "top_k", "stream")
_EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
_THINKING: Final = {"enabled": "enabled", "adaptive": "enabled", "disabled": "disabled"}
_LARGE_CONTEXT: Final = re.compile(r"\[1m\]$", re.IGNORECASE)


class MessageOptions(msgspec.Struct, frozen=True):
    """What a request sets for the form of its answer only.

    Args:
        shows_thinking: whether the text of thinking blocks is sent (`thinking.display`).
    """

    shows_thinking: bool = True


class ThreadError(RequestError):
    """A request of a beta that stores conversations; clients repeat it without `thread`."""

    details: Final = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}


def decode_message_request(body: bytes | bytearray) -> Decoded:
    """Decode and validate the body of a request for a message.

    Raises:
        RequestError: 1210, not JSON or an unsupported feature; 1213, a missing field; 1214, an invalid one.
            Its message begins with the path of the field, such as `messages.0.content`.
    """
    fields = decode_body(body)
    if fields.get("max_tokens") is None:
        raise missing("max_tokens")
    return _decode(fields)


def decode_count_request(body: bytes | bytearray) -> Decoded:
    """Decode and validate the body of a request to count tokens.

    Raises:
        RequestError: as `decode_message_request`.
    """
    return _decode({**decode_body(body), "stream": False})


def _decode(fields: Mapping[str, Any]) -> Decoded:
    _check_supported(fields)
    messages = field(fields, "", "messages", list)
    if not messages:
        msg = "messages: [] is empty; at least one message is required"
        raise RequestError(msg)
    references: References = {}
    translated = list(translate_messages(messages, references))
    conversation = [one for one in translated if one.message["role"] != "system"]
    if not conversation or conversation[-1].message["role"] == "assistant":
        reason = "an answer cannot be continued here; the last message must be a user's"
        raise rejected(f"messages.{len(messages) - 1}.role", reason)
    system = text_of_blocks(field(fields, "", "system", str, list, default=""), "system")
    tools_by_path, skipped = translate_tools(fields.get("tools"), references)
    tools = [*tools_by_path.values()]
    chat: dict[str, Any] = {
        "model": _LARGE_CONTEXT.sub("", field(fields, "", "model", str)),
        "messages": [*_system(system), *(one.message for one in translated)],
        "max_tokens": fields.get("max_tokens"),
        "stop": field(fields, "", "stop_sequences", list, default=None) or None,
        "tools": tools or None,
        "tool_stream": field(fields, "", "stream", bool, default=False),
        "user_id": _user_id(fields),
        **{name: fields.get(name) for name in _COPIED},
        **_thinking(fields),
        **_structure(fields),
        **translate_choice(fields.get("tool_choice"), tools, skipped),
    }
    system_sources = [Source("system") for _ in _system(system)]
    sources = Sources(
        [*system_sources, *(one.source for one in translated)],
        [*tools_by_path],
        parameters="input_schema",
        schema="output_config.format.schema",
    )
    try:
        request = validate_request(chat, is_translated=True)
    except RequestError as error:
        sources.rename(error)
        raise
    options = _options(fields)
    return Decoded(
        msgspec.structs.replace(request, answer_options=options, counts_prompt=request.stream), sources
    )


def _check_supported(fields: Mapping[str, Any]) -> None:
    if fields.get("thread") is not None:
        msg = "thread: conversations are not stored here; send the complete conversation without it"
        raise ThreadError(msg, code="1210")
    if fields.get("mcp_servers"):
        raise rejected("mcp_servers", "there is no service here that calls them; call them in your client")


def _system(text: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": text}] if text else []


def _user_id(fields: Mapping[str, Any]) -> str | None:
    """Return the id of the caller's user; a digest of one that is longer than Z.ai's API allows."""
    metadata = field(fields, "", "metadata", dict, default={})
    id: str = field(metadata, "metadata", "user_id", str, default="")
    return id if len(id) <= LENGTHS["user_id"][1] else blake2b(id.encode(), digest_size=16).hexdigest()


def _thinking(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields for thinking. Without `thinking`, Anthropic's models do not think.

    A model that cannot stop thinking takes the low effort, which is without effect for the others.
    """
    config = field(fields, "", "output_config", dict, default={})
    effort = field(config, "output_config", "effort", str, default=None)
    if effort not in (None, *_EFFORTS):
        raise wrong("output_config.effort", effort, f"one of {', '.join(_EFFORTS)}")
    thinking = field(fields, "", "thinking", dict, default={"type": "disabled"})
    kind = _THINKING.get(field(thinking, "thinking", "type", str))
    if kind is None:
        raise wrong("thinking.type", thinking["type"], f"one of {', '.join(_THINKING)}")
    if kind == "disabled":
        return {"thinking": {"type": kind}, "reasoning_effort": "low"}
    return {
        "thinking": {"type": kind, "clear_thinking": not _keeps_thinking(fields)},
        "reasoning_effort": effort,
    }


def _keeps_thinking(fields: Mapping[str, Any]) -> bool:
    """Return whether the thinking of all earlier answers stays in the prompt."""
    management = field(fields, "", "context_management", dict, default={})
    edits = field(management, "context_management", "edits", list, default=[])
    return any(isinstance(edit, dict) and edit.get("keep") == "all" for edit in edits)


def _structure(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return `response_format` for `output_config.format`, or `output_format`, its earlier name."""
    where = "output_config.format"
    format = field(
        field(fields, "", "output_config", dict, default={}), "output_config", "format", dict, default=None
    )
    if format is None:
        where = "output_format"
        format = field(fields, "", where, dict, default=None)
    if format is None:
        return {}
    if format.get("type") != "json_schema":
        raise wrong(f"{where}.type", format.get("type"), "json_schema")
    schema = {"name": "answer", "schema": field(format, where, "schema", dict), "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _options(fields: Mapping[str, Any]) -> dict[str, Any]:
    display = field(fields.get("thinking") or {}, "thinking", "display", str, default="")
    return msgspec.to_builtins(MessageOptions(shows_thinking=False)) if display == "omitted" else {}
