"""Whatever an endpoint sends, every rule has a result, and a report that is safe to look at."""

import asyncio
import json
import random
import re
import xml.etree.ElementTree as ET
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.checking import RULES, Response, check
from headrace.checking.page import encode_html
from headrace.checking.report import encode_json, encode_junit, encode_text
from right_endpoint import Fault, RightEndpoint

HOSTILE = "\x1b]52;c;aGk=\x07<script>trap()</script>]]>\u202e&\u2028\uffff"

WAITING = Response(status=200, pieces=[(0.1, b": waiting\n\n")])

JUNK = [None, True, 0, -1, 10**30, 1.5, "", "x", [], [[]], [{}], {}, {"type": []}]

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=4)
NAMES = st.sampled_from(["id", "choices", "delta", "tool_calls", "function", "usage", "index", "error"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


class Sending:
    """An endpoint with the same response to every request but the first one, which shows that it can be checked."""

    def __init__(self, *pieces, status=200, **headers):
        self.response = Response(status=status, headers=headers, pieces=[(0.1, piece) for piece in pieces])

    async def send(self, request):
        return WAITING if request.leave_after else self.response


class HostileLater(RightEndpoint):
    """Sends a hostile response to each request but the first one."""

    async def send(self, request):
        return WAITING if request.leave_after else await super().send(request)


def report_of(endpoint, model="m"):
    return asyncio.run(check(endpoint, "http://hostile", model=model, runs=1, has_key=True))


def frame(value):
    return f"data: {json.dumps(value)}\n\n".encode()


@given(st.lists(VALUES | st.fixed_dictionaries({"choices": st.lists(VALUES)}), max_size=3))
def test_every_rule_has_a_result_whatever_the_chunks_contain(values):
    report = report_of(Sending(*map(frame, values)))

    assert [result.rule for result in report.results] == [rule.id for rule in RULES]
    assert encode_text(report)


def slots(value):
    """Every place in a JSON value that another value can be put into."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield value, name
        yield from slots(inner)


@pytest.mark.parametrize("seed", range(4))
def test_every_rule_has_a_result_whatever_one_value_of_an_event_is(seed):
    chance = random.Random(seed)

    def spoiled(events, _):
        events = deepcopy(events)
        for event in events:
            place, name = chance.choice(list(slots(event)))
            if chance.random() < 0.2:
                place[name] = deepcopy(chance.choice(JUNK))
        return events

    endpoint = RightEndpoint(Fault(chunks=spoiled, events=spoiled))

    assert len(report_of(endpoint, "glm-4.6").results) == len(RULES)


def test_an_answer_whose_values_are_nested_too_deeply_is_judged():
    value = b"[" * 900 + b"]" * 900
    chunk = b'data: {"id":%b,"type":%b,"choices":[{"index":%b,"delta":{"tool_calls":%b}}]}\n\n'
    endpoint = Sending(b'data: {"id":"a","choices":[]}\n\n', chunk % ((value,) * 4))

    assert len(report_of(endpoint).results) == len(RULES)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"<html>502</html>",
        b"data: [",
        b"data: " + b"[" * 100_000 + b"\n\n",
        b"data: [DONE]\n\n",
    ],
)
@pytest.mark.parametrize("status", [0, 200, 500])
@pytest.mark.parametrize("headers", [{}, {"content-encoding": "gzip"}], ids=["plain", "gzip"])
def test_every_rule_has_a_result_whatever_the_body_is(body, status, headers):
    endpoint = HostileLater(
        Fault(response=lambda *_: Response(status=status, headers=headers, pieces=[(0.1, body)]))
    )
    if status:
        assert len(report_of(endpoint).results) == len(RULES)


def hostile_report():
    chunk = {"id": HOSTILE, "model": HOSTILE, "choices": [{"index": 0, "delta": {"content": HOSTILE}}]}
    endpoint = Sending(frame(chunk), f"data: {HOSTILE}\n\n".encode(), server=HOSTILE)
    return report_of(endpoint, HOSTILE)


def test_a_terminal_gets_no_control_characters():
    text = encode_text(hostile_report())

    assert [c for c in text if c != "\n" and (not c.isprintable() or c in "\u202e\u2028")] == []
    assert r"\u001b]52" in text


def test_a_page_contains_no_element_of_the_endpoint_and_loads_nothing():
    page = encode_html(hostile_report())

    assert set(re.findall(r"<([a-z0-9]+)", page)) == {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "h1",
            "table",
            "tr",
            "th",
            "td",
            "p",
            "code",
            "pre",
        )
    }
    assert "default-src 'none'" in page
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_junit_is_well_formed_and_has_a_case_for_each_rule():
    suite = ET.fromstring(encode_junit(hostile_report()))

    assert len(suite.findall("testcase")) == len(RULES)
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure")) > 0
    assert int(suite.get("skipped")) == len(suite.findall("testcase/skipped"))


def test_json_has_frames_as_hex_and_text():
    report = hostile_report()
    text = encode_json(report)
    results = json.loads(text)["results"]

    assert [bytes.fromhex(result["frame"]["hex"]) for result in results] == [r.frame for r in report.results]
    assert text.isascii()
    assert all(result["sentence"] and result["breaks"] and result["source"] for result in results)
