"""What pydantic writes: 32 models and 20 tools' parameters; and a report, a line of JSON per answer.

An answer is "conforming", "length" (cut off, and the beginning of JSON), or the code of an error. Anything else
is raised.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time, timedelta
from enum import IntEnum, StrEnum
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

from pydantic import AnyUrl, BaseModel, Field, PositiveInt, create_model
from pydantic_core import from_json

URL, MODEL = sys.argv[1:3]
ASK = [{"role": "user", "content": "Reply with one example."}]
LIMIT = 50  # tokens
DOCUMENTED = {"1212", "1214"}
OFF = {"thinking": {"type": "disabled"}}


class Unit(StrEnum):
    celsius = "celsius"
    fahrenheit = "fahrenheit"


class Level(IntEnum):
    low = 1
    high = 2


class Point(BaseModel):
    x: int
    y: int = Field(0, description="the second coordinate")


class Node(BaseModel):
    value: Literal["a", "b"]
    next: Optional["Node"] = None


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


FORMS: dict[str, Any] = {
    "boolean": bool,
    "integer": int,
    "integer_in_range": Annotated[int, Field(ge=0, le=9)],
    "positive": PositiveInt,
    "multiple": Annotated[int, Field(multiple_of=5)],
    "number": float,
    "fraction": Annotated[float, Field(gt=0, lt=1)],
    "string": str,
    "short": Annotated[str, Field(min_length=1, max_length=8)],
    "pattern": Annotated[str, Field(pattern="^[A-Z]{2}[0-9]{3}$")],
    "literal": Literal["red", "green", 3],
    "enum": Unit,
    "integer_enum": Level,
    "optional": int | None,
    "optional_enum": Unit | None,
    "list": list[int],
    "short_list": Annotated[list[str], Field(min_length=1, max_length=3)],
    "tuple": tuple[int, str],
    "set": set[Literal["a", "b", "c"]],
    "map": dict[str, int],
    "map_of_enum": dict[Unit, bool],
    "date": date,
    "datetime": datetime,
    "time": time,
    "duration": timedelta,
    "uuid": UUID,
    "url": AnyUrl,
    "address": IPv4Address,
    "nested_list": list[Point],
    "nested": Point,
    "recursive": Node,
    "tagged_union": Annotated[Cat | Dog, Field(discriminator="kind")],
}
MODELS = {
    name: create_model(name.title().replace("_", ""), value=(form, ...)) for name, form in FORMS.items()
}
TOOLS = list(MODELS)[::-1][:20]


def report(name: str, kind: str, ask) -> None:
    """Ask; `ask` returns an object of the model, a text that was cut off, or the code of an error."""
    answer = ask(MODELS[name])
    if isinstance(answer, MODELS[name]):
        outcome = "conforming"
    elif answer in DOCUMENTED:
        outcome = answer
    else:
        from_json(answer or "{}", allow_partial="trailing-strings")  # raises
        outcome = "length"
    print(json.dumps([kind, name, outcome]))


def report_all(whole, forced, threads: int = 4) -> None:
    """Ask for each model as a structured output, and for some as the arguments of a tool."""
    with ThreadPoolExecutor(threads) as pool:
        asked = [pool.submit(report, name, "output", whole) for name in MODELS]
        asked += [pool.submit(report, name, "tool", forced) for name in TOOLS]
        for one in asked:
            one.result()
