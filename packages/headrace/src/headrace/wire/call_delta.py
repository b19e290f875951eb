"""What servers usually send of a tool call, without what `wire/variants.py` translates."""

import msgspec

__all__ = ["CallDelta", "FunctionDelta"]


class FunctionDelta(msgspec.Struct):
    """The `function` of a call, or the legacy `function_call` of a delta; unknown fields are skipped."""

    name: str | None = None
    arguments: str | dict[str, object] | None = None


class CallDelta(msgspec.Struct):
    """An entry of `tool_calls`; unknown fields are skipped, which `ToolCallDelta` keeps."""

    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None
    custom: None = None  # a call of a custom tool needs `wire/variants.py`
