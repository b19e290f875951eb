"""The quota of a key, read as the programs do that show Z.ai's."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.keys import quota
from headrace.limits import KeyLimits, Usage

LIMITS = KeyLimits(in_flight=4, requests_per_minute=60, tokens_per_5h=1_000_000)
USAGE = Usage(in_flight=2, requests=15, tokens=371_000, requests_reset=13.25, tokens_reset=14_700.5)
NOW = 1_795_915_300.0


def zai_plugin(body):
    """Z.ai's own plugin for Claude Code, glm-plan-usage, reads `data` if there is some, and prints each limit."""
    shown = {}
    for limit in (body["data"] or body)["limits"]:
        if limit["type"] == "TOKENS_LIMIT":
            shown["Token usage(5 Hour)"] = limit["percentage"]
        elif limit["type"] == "TIME_LIMIT":
            shown["MCP usage(1 Month)"] = limit["percentage"]
    return shown


def status_line(body):
    """Shell scripts select the limit with jq: `.percentage|.currentValue|.remaining|.nextResetTime`."""
    assert body["success"] is True
    assert body["code"] == 200
    fields = ("percentage", "currentValue", "remaining", "nextResetTime")
    return [
        [limit[field] for field in fields]
        for limit in body["data"]["limits"]
        if limit["type"] == "TOKENS_LIMIT"
    ]


def labels(body):
    """Others label each limit by its window."""
    units = {3: "h", 5: "min"}
    return {
        f"{limit['number']}{units[limit['unit']]}": limit["percentage"] for limit in body["data"]["limits"]
    }


class StrictLimit(msgspec.Struct):
    """Compiled programs, such as CodexBar, need these fields and types."""

    type: str
    unit: int
    number: int
    usage: int
    currentValue: int
    remaining: int
    percentage: int
    nextResetTime: int | None = None


def test_the_programs_show_the_limits_of_a_key():
    body = quota(LIMITS, USAGE, NOW)

    assert zai_plugin(body) == {"Token usage(5 Hour)": 37}
    assert status_line(body) == [[37, 371_000, 629_000, 1795930000500]]
    assert labels(body) == {"5h": 37, "1min": 25}
    assert len(msgspec.convert(body["data"]["limits"], list[StrictLimit])) == 2


def test_a_key_without_limits_has_an_empty_list():
    body = quota(KeyLimits(in_flight=4), USAGE, NOW)

    assert body == {"code": 200, "msg": "success", "data": {"limits": [], "level": ""}, "success": True}


@pytest.mark.parametrize("field", ["tokens", "requests"])
def test_a_window_that_is_empty_has_no_reset(field):
    body = quota(LIMITS, USAGE._replace(**{field: 0}), NOW)
    number = 0 if field == "tokens" else 1

    assert ["nextResetTime" in limit for limit in body["data"]["limits"]] == [at != number for at in range(2)]


@given(limit=st.integers(1, 10**12), used=st.integers(0, 10**13))
def test_a_percentage_is_100_exactly_if_nothing_remains(limit, used):
    (tokens,) = quota(KeyLimits(tokens_per_5h=limit), Usage(0, 0, used, 0.0, 1.0), NOW)["data"]["limits"]

    assert 0 <= tokens["percentage"] <= 100
    assert (tokens["percentage"] == 100) == (tokens["remaining"] == 0)
    assert tokens["remaining"] == max(limit - used, 0)
