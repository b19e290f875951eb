"""The JSON Schema of a chat request, as `decode_request` accepts it: the structs' types and its other rules.

Three rules cannot be written as a schema: the names of tools are unique, a `tool_choice` names one of them,
and the arguments of a call have a limited size and depth.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from headrace.wire.content_parts import IMAGE_TYPES
from headrace.wire.decode_request import FUNCTION_NAME, LENGTHS, MAX_STOP, MAX_STOPS, MAX_TOOLS, RANGES
from headrace.wire.history import OTHER_ROLES, THINKING_PARTS
from headrace.wire.request import INTERNAL_FIELDS, ChatRequest, Tools
from headrace.wire.sampling import MAX_BIAS, MAX_BIASES, NUMBERS
from headrace.wire.translation import ABSENT, THINKING_TYPES, TRANSLATED, OtherFields
from headrace.wire.unsupported import REJECTED, WITHOUT_EFFECT

__all__ = ["REFERENCE", "Schema", "request_schemas"]

Schema = dict[str, Any]

REFERENCE: Final = "#/components/schemas/{name}"
"""The form of a reference to a component."""

_NULL: Final = {"type": "null"}
_TEXT: Final = {"type": "string"}
_BIAS: Final = {"type": "number", "minimum": -MAX_BIAS, "maximum": MAX_BIAS}
_STOP: Final = {"minLength": 1, "maxLength": MAX_STOP}
_WITHOUT_NULLS: Final = ("Tool", "FunctionSpec")  # their members are kept as sent, for the chat template

_IMAGE_URL: Final = "|".join(
    ["[hH][tT][tT][pP][sS]?://", "[dD][aA][tT][aA]:[iI][mM][aA][gG][eE]/", *IMAGE_TYPES]
)
_LOGIT_BIAS: Final = {
    "anyOf": [
        {
            "type": "object",
            "propertyNames": {"pattern": "^[0-9]{1,9}$"},
            "additionalProperties": _BIAS,
            "maxProperties": MAX_BIASES,
        },
        {
            "type": "array",
            "items": {
                "type": "array",
                "prefixItems": [
                    {
                        "anyOf": [
                            {"type": "integer", "minimum": 0, "maximum": 999_999_999},
                            {"type": "string", "pattern": "^[0-9]{1,9}$"},
                        ]
                    },
                    _BIAS,
                ],
                "minItems": 2,
                "maxItems": 2,
            },
            "maxItems": MAX_BIASES,
        },
        _NULL,
    ]
}
_TOOL_CHOICE: Final = {
    "anyOf": [
        {"enum": ["auto", "none", "required", "any"]},
        {
            "type": "object",
            "properties": {
                "type": {"const": "function"},
                "function": {"type": "object", "properties": {"name": _TEXT}, "required": ["name"]},
            },
            "required": ["function"],
        },
        _NULL,
    ]
}


def request_schemas() -> dict[str, Schema]:
    """Return the components by name; `ChatRequest` is the body of a request."""
    _, schemas = msgspec.json.schema_components([ChatRequest, Tools, OtherFields], ref_template=REFERENCE)
    for name, schema in schemas.items():
        if name not in _WITHOUT_NULLS:
            _accept_nulls(schema)
    request, others = schemas["ChatRequest"], schemas.pop("OtherFields")
    fields = request["properties"]
    for name in INTERNAL_FIELDS:
        del fields[name]
    fields |= schemas.pop("Tools")["properties"]
    for name, schema in others["properties"].items():
        api, meaning = TRANSLATED[name]
        fields[name] = {"description": f"{api}: {meaning}", **schema}
    fields |= _sampling() | _other_fields()
    _complete_fields(fields)
    _complete_messages(schemas)
    _complete_tools(schemas)
    thinking = schemas["Thinking"]["properties"]
    thinking["type"] = {"enum": [*THINKING_TYPES, True, False, 1, 0, None], "default": "enabled"}
    fields["thinking"]["anyOf"].append({"enum": [*THINKING_TYPES, True, False]})
    schemas["ResponseFormat"]["properties"]["schema"] = {"description": "llama.cpp: the schema itself"}
    request["description"] = "Null means absent. Fields that are not listed have no effect."
    request["allOf"] = [
        _either({"tool_stream": {"enum": [False, None]}}, {"stream": {"const": True}}),
        _either(
            {"tool_choice": {"enum": ["auto", "none", None]}},
            {"tools": {"type": "array", "contains": {"properties": {"type": {"const": "function"}}}}},
        ),
    ]
    return schemas


def _either(without: Mapping[str, Schema], others: Mapping[str, Schema]) -> Schema:
    """Return the rule that a field has one of some values, or is absent, unless others are there."""
    return {"anyOf": [{"properties": without}, {"properties": others, "required": [*others]}]}


def _accept_nulls(schema: Schema) -> None:
    for name, field in schema["properties"].items():
        if name not in schema["required"]:
            schema["properties"][name] = _or(field, _NULL)


def _or(schema: Schema, *others: Schema) -> Schema:
    """Return a schema with further alternatives, and with its annotations at the top."""
    default = schema.pop("default", None)
    alternatives = schema.pop("anyOf", None) or [schema]
    joined = {"anyOf": [*alternatives, *(other for other in others if other not in alternatives)]}
    return joined if default is None else {**joined, "default": default}


def _sampling() -> dict[str, Schema]:
    numbers = {
        name: {"type": ["integer" if kind is int else "number", "null"], "minimum": low, "maximum": high}
        for name, (kind, low, high) in NUMBERS.items()
    }
    return {**numbers, "ignore_eos": {"type": ["boolean", "null"]}, "logit_bias": _LOGIT_BIAS}


def _other_fields() -> dict[str, Schema]:
    rejected = {
        name: {"description": f"{field.api}; not supported: {field.instead}", "enum": [*field.allowed, None]}
        for name, field in REJECTED.items()
    }
    ignored = {
        name: {"description": f"{api}; no effect: {reason}"} for name, (api, reason) in WITHOUT_EFFECT.items()
    }
    return rejected | ignored


def _complete_fields(fields: dict[str, Schema]) -> None:
    for name, (low, high) in RANGES.items():
        fields[name] |= {"minimum": low, "maximum": high}
    for name, (shortest, longest) in LENGTHS.items():
        fields[name] |= {"minLength": shortest, "maxLength": longest}
        fields[name]["anyOf"].append({"type": "number"})
    for name, value in ABSENT.items():
        fields[name] = {"anyOf": [fields[name], {"const": value}]}
    fields["stop"] |= {**_STOP, "maxItems": MAX_STOPS, "items": {**_TEXT, **_STOP}}
    fields["tool_choice"] = {**_TOOL_CHOICE, "default": "auto"}


def _complete_tools(schemas: dict[str, Schema]) -> None:
    schemas["FunctionSpec"]["properties"]["name"]["pattern"] = f"^{FUNCTION_NAME.pattern}$"
    tools = schemas["ChatRequest"]["properties"]["tools"]
    tools["maxItems"] = MAX_TOOLS
    off = {"type": "object", "properties": {"enable": {"enum": [False, "false"]}}, "required": ["enable"]}
    names = ("web_search", "retrieval")
    tools["anyOf"][0]["items"] = {
        "anyOf": [
            tools["anyOf"][0]["items"],
            *(
                {
                    "type": "object",
                    "description": "Z.ai's tool, switched off",
                    "properties": {"type": {"const": name}, name: off},
                    "required": ["type", name],
                }
                for name in names
            ),
        ]
    }


def _complete_messages(schemas: dict[str, Schema]) -> None:
    """Replace the message by one for each role."""
    message = schemas.pop("RequestMessage")
    text, image = schemas["TextPart"], schemas["ImagePart"]
    text["required"].remove("type")
    text["properties"]["type"] = {"enum": ["text", None], "default": "text"}
    schemas["ImageUrl"]["properties"]["url"]["pattern"] = f"^({_IMAGE_URL})"
    address = {**_TEXT, "pattern": f"^({_IMAGE_URL})"}
    image["properties"]["image_url"] = _or(image["properties"]["image_url"], address)
    texts, all_parts = [_reference("TextPart")], [_reference("TextPart"), _reference("ImagePart")]
    thoughts = {"type": "object", "properties": {"type": {"enum": [*THINKING_PARTS]}}, "required": ["type"]}
    refusal = {
        "type": "object",
        "properties": {"type": {"const": "refusal"}, "refusal": _TEXT},
        "required": ["type", "refusal"],
    }
    schemas["SystemMessage"] = _message(message, ["system"], _content(texts))
    schemas["UserMessage"] = _message(message, ["user"], _content(all_parts))
    answer = _message(message, ["assistant"], _or(_content([*texts, refusal, thoughts]), _NULL))
    answer["required"] = ["role"]
    schemas["AssistantMessage"] = answer
    schemas["ToolMessage"] = _message(message, ["tool"], _content(all_parts))
    _complete_calls(schemas, answer)
    names = ("SystemMessage", "UserMessage", "AssistantMessage", "ToolMessage")
    asking = {"properties": {"role": {"enum": [*_roles(["user", "tool"])]}}, "required": ["role"]}
    schemas["ChatRequest"]["properties"]["messages"] |= {
        "items": {"anyOf": [_reference(name) for name in names]},
        "minItems": 1,
        "contains": asking,
    }


def _complete_calls(schemas: dict[str, Schema], answer: Schema) -> None:
    """Let the calls of an answer have arguments that are objects, and the form of 2023."""
    function = schemas["RequestFunction"]["properties"]
    function["arguments"] = _or(function["arguments"], {"type": "object"})
    answer["properties"] |= {
        "refusal": {"description": "OpenAI: read as the content, if there is none"},
        "function_call": {
            "anyOf": [_reference("RequestFunction"), {"not": {"type": "object"}}],
            "description": "OpenAI: a call",
        },
    }


def _message(message: Schema, roles: Iterable[str], content: Schema) -> Schema:
    properties = {**message["properties"], "role": {"enum": _roles(roles)}, "content": content}
    return {"type": "object", "properties": properties, "required": ["role", "content"]}


def _roles(roles: Iterable[str]) -> list[str]:
    return [*roles, *(other for other, role in OTHER_ROLES.items() if role in roles)]


def _content(parts: list[Schema]) -> Schema:
    return {"anyOf": [_TEXT, {"type": "array", "items": {"anyOf": parts}}]}


def _reference(name: str) -> Schema:
    return {"$ref": REFERENCE.format(name=name)}
