"""A Python function as a tool: its schema, and the decoding of its arguments."""

from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

import zai
from headrace.wire.chunk import Delta
from zai.tools.function import ToolFunction, encode_result


def get_weather(location: str, unit: Literal["celsius", "fahrenheit"] = "celsius", days: int = 1) -> str:
    """Tell what the weather will be.

    It may be wrong.

    Args:
        location: the city,
            for example 北京
        unit (str): of the temperature
        days: how many

    Returns:
        a sentence
    """
    return f"{location} {unit} {days}"


def test_the_schema_is_derived_from_the_signature_and_the_docstring():
    assert ToolFunction(get_weather).spec == {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Tell what the weather will be.\n\nIt may be wrong.",
            "parameters": {
                "type": "object",
                "properties": {
                    "location": {"type": "string", "description": "the city, for example 北京"},
                    "unit": {
                        "enum": ["celsius", "fahrenheit"],
                        "default": "celsius",
                        "description": "of the temperature",
                    },
                    "days": {"type": "integer", "default": 1, "description": "how many"},
                },
                "required": ["location"],
                "additionalProperties": False,
            },
        },
    }


def test_sphinx_docstrings_are_read_too():
    def add(a: int, b: int) -> int:
        """Add.

        :param a: the one
        :param int b: the
            other
        :returns: the sum
        """
        return a + b

    properties = ToolFunction(add).spec["function"]["parameters"]["properties"]
    assert properties["a"]["description"] == "the one"
    assert properties["b"]["description"] == "the other"


def test_a_function_without_annotations_or_a_docstring_can_be_a_tool():
    def echo(value, times=2):
        return value * times

    function = ToolFunction(echo).spec["function"]
    assert function["description"] == ""
    assert function["parameters"]["properties"] == {"value": {}, "times": {"default": 2}}
    assert ToolFunction(echo).decode('{"value": "a"}') == {"value": "a", "times": 2}


def test_a_function_without_parameters_can_be_a_tool():
    def now() -> str:
        """The time."""
        return "12:00"

    assert ToolFunction(now).spec["function"]["parameters"] == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }
    assert ToolFunction(now).decode("") == {}


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: float
    y: float = 0


def test_values_are_converted_to_the_types_of_the_signature():
    def draw(
        points: list[Point], colour: Colour, size: Annotated[int, msgspec.Meta(ge=1)], note: str | None = None
    ):
        raise NotImplementedError

    tool = ToolFunction(draw)
    assert tool.decode('{"points": [{"x": 1}], "colour": "red", "size": "3"}') == {
        "points": [Point(1, 0)],
        "colour": Colour.RED,
        "size": 3,
        "note": None,
    }
    schema = tool.spec["function"]["parameters"]
    assert schema["required"] == ["points", "colour", "size"]
    assert schema["$defs"]["Point"]["required"] == ["x"]
    assert schema["properties"]["size"] == {"type": "integer", "minimum": 1}


def test_a_default_that_is_not_json_is_left_to_the_function():
    def save(tags: list[str] = [], colour: Colour = Colour.RED, data: dict[str, Any] | None = None):  # noqa: B006
        return tags, colour, data

    assert ToolFunction(save).decode("{}") == {"data": None}
    assert ToolFunction(save).decode('{"tags": ["a"], "colour": "blue"}') == {
        "tags": ["a"],
        "colour": Colour.BLUE,
        "data": None,
    }


@pytest.mark.parametrize(
    "arguments",
    [
        "{",
        "[]",
        "null",
        "{}",
        '{"location": 5}',
        '{"location": "x", "days": "many"}',
        '{"location": "x", "place": 1}',
    ],
)
def test_arguments_that_do_not_match_raise_a_value_error(arguments):
    with pytest.raises(ValueError):
        ToolFunction(get_weather).decode(arguments)


@pytest.mark.parametrize("function", [lambda *args: args, lambda **kwargs: kwargs])
def test_parameters_without_a_name_raise(function):
    with pytest.raises(zai.ZaiError, match="cannot be a tool"):
        ToolFunction(function)


@dataclass
class Circle:
    radius: float


@pytest.mark.parametrize("hint", [Path, list[Path], complex, Point | Circle])
def test_a_parameter_without_a_schema_is_named(hint):
    def draw(size: int, shape: hint):
        raise NotImplementedError

    with pytest.raises(
        zai.ZaiError, match=r"draw cannot be a tool: its parameter shape has no JSON Schema \(.*type"
    ):
        ToolFunction(draw)


class Weather:
    def __call__(self, location: str) -> str:
        raise NotImplementedError


@pytest.mark.parametrize("function", [partial(get_weather, unit="celsius"), Weather()])
def test_a_callable_without_a_name_raises(function):
    with pytest.raises(zai.ZaiError, match="cannot be a tool: it has no name; pass a function"):
        ToolFunction(function)


def test_methods_can_be_tools():
    class Shop:
        def price(self, item: str) -> int:
            """What it costs."""
            return len(item)

    tool = ToolFunction(Shop().price)
    assert tool.spec["function"]["parameters"]["required"] == ["item"]
    assert tool.function(**tool.decode('{"item": "abc"}')) == 3


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("as it is", "as it is"),
        (b"caf\xe9.txt".decode("utf-8", "surrogateescape"), "caf?.txt"),
        (5, "5"),
        (None, "null"),
        ({"a": [1, "é"]}, '{"a":[1,"é"]}'),
        (Point(1, 2), '{"x":1,"y":2}'),
        (Delta(content="a").with_extras({"b": 1}), '{"content":"a","b":1}'),
        (ValueError("odd"), '"odd"'),
    ],
)
def test_a_result_is_encoded_as_text(result, text):
    assert encode_result(result) == text
