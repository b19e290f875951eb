"""Every option is described in the annotation of its field."""

from typing import Annotated, Literal

import msgspec
import pytest

from headrace.configuration.groups import OPTION_GROUPS, CommandLine
from headrace.configuration.settings import Settings
from headrace.limits import LimitSettings
from headrace.models.settings import ENGINES, ModelSettings
from headrace.options import Option, Seconds, describe, options_of
from headrace.telemetry.settings import TelemetrySettings
from headrace.turns.settings import TurnSettings

TABLES = [
    *(CommandLine, Settings, TurnSettings, LimitSettings, TelemetrySettings),
    *(ModelSettings, *ENGINES.values()),
]
REQUIRED = {"url", "path"}  # of a model behind a server, and of a recording


class Example(msgspec.Struct, kw_only=True):
    """Options of every kind, and a field that is not an option."""

    pause: Annotated[Seconds, describe("pause between two rounds; 0 means no pause")] = 2.0
    color: Annotated[Literal["", "red", "blue"], describe("color of the ball", default="any")] = ""
    name: Annotated[str, describe("what it is called", "NAME", sources=("file",))]
    inner: int = 0


def test_an_option_is_read_from_the_annotation_of_its_field():
    everywhere = ("flag", "variable", "file")

    assert list(options_of(Example).values()) == [
        Option("pause", "SECONDS", "pause between two rounds; 0 means no pause", "2", everywhere),
        Option("color", "{red,blue}", "color of the ball", "any", everywhere),
        Option("name", "NAME", "what it is called", "", ("file",)),
    ]


def test_the_unit_of_an_option_limits_its_value():
    with pytest.raises(msgspec.ValidationError, match=r"`float` >= 0.0 - at `\$.pause`"):
        msgspec.convert({"pause": -1, "name": "x"}, Example)


@pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.__name__)
def test_every_field_of_a_table_is_an_option_with_a_metavar_a_description_and_a_default(kind):
    options = options_of(kind)

    assert set(kind.__struct_fields__) - set(options) <= {"turns", "limits", "telemetry"}
    for option in options.values():
        assert option.metavar.isupper() or option.metavar.startswith("{")
        assert len(option.description) > 15
        assert not option.description.endswith(".")
        assert option.default or option.name in REQUIRED
        assert option.sources


def test_every_option_is_in_exactly_one_group():
    grouped = [option for options in OPTION_GROUPS.values() for option in options]
    options = {option for kind in TABLES for option in options_of(kind).values()}

    assert len(grouped) == len(set(grouped))
    assert set(grouped) == options
