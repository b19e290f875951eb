"""Draws docs/http-api.md: paths and headers from the OpenAPI document, errors from running servers."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from draw_blocks import replace_blocks
from http_examples import examples

from headrace.models.description import describe
from headrace.models.loading import load_model
from headrace.models.settings import LlamaSettings
from headrace.server.openapi import describe_api
from headrace.server.turn_endpoints import MESSAGES, PREFIXES

PAGE: Final = Path(__file__).with_name("http-api.md")


def redraw(page: str) -> str:
    """Replace the generated parts of the page."""
    document = describe_api(PREFIXES, MESSAGES)
    parts = {
        "paths": _paths(document),
        "headers": _headers(document),
        "model": _model(),
        "errors": _errors(),
    }
    return replace_blocks(page, parts)


def _paths(document: dict[str, Any]) -> Iterator[str]:
    yield "| method | path | meaning | answer | errors |"
    yield "|---|---|---|---|---|"
    for path, item in document["paths"].items():
        if path.startswith(PREFIXES[1:]):
            continue
        shown = path.replace(PREFIXES[0], "…")
        for method, operation in item.items():
            responses = operation["responses"]
            content = responses["200"]["content"]
            answer = " or ".join(f"`{kind}`" for kind in content)
            errors = ", ".join(status for status in responses if status != "200")
            yield f"| {method.upper()} | `{shown}` | {operation['summary']} | {answer} | {errors} |"


def _headers(document: dict[str, Any]) -> Iterator[str]:
    yield "| header or parameter | of | meaning |"
    yield "|---|---|---|"
    operations = (operation for item in document["paths"].values() for operation in item.values())
    fields = [field for operation in operations for field in operation.get("parameters", ())]
    sent = [(field["name"], field["in"], field["description"]) for field in fields if field["in"] != "path"]
    for name, place, description in dict.fromkeys(sent):
        yield f"| `{name}` | request ({place}) | {description} |"
    for name, field in document["components"]["headers"].items():
        yield f"| `{name}` | response | {field['description']} |"


def _model() -> Iterator[str]:
    description = describe(load_model("", LlamaSettings()), "headrace-tiny")
    yield f"```json\n{msgspec.json.format(msgspec.json.encode(description)).decode()}\n```"


def _errors() -> Iterator[str]:
    for example in examples():
        code = re.search(r'"code":"(\d+)"', example.response)
        status = example.response.split()[1]
        yield f"### {status}{f', code {code[1]}' if code else ''}: {example.title}\n"
        yield f"```http\n{example.request}\n```\n\n```http\n{example.response}\n```\n"
