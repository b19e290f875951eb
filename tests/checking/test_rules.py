"""Every rule of `headrace check` is found broken by a planted fault, and holds at a right endpoint."""

import asyncio
import functools
import re

import msgspec
import pytest

from headrace.checking import RULES, Response, check
from headrace.checking.page import encode_html
from headrace.checking.report import encode_text, head
from headrace.errors import RequestError, UnreachableError
from planted_faults import FAULTS
from right_endpoint import Fault, RightEndpoint

RULE_IDS = [rule.id for rule in RULES]


def report_of(endpoint, **options):
    return asyncio.run(check(endpoint, "http://right", has_key=True, **options))


@functools.cache
def right_results():
    return {result.rule: result for result in report_of(RightEndpoint(), runs=2).results}


@pytest.mark.parametrize("rule", RULE_IDS)
def test_a_rule_holds_at_a_right_endpoint(rule):
    result = right_results()[rule]

    assert (result.outcome, result.text) == ("holds", "")
    assert result.observed > 0


@pytest.mark.parametrize("rule", RULE_IDS)
def test_a_planted_fault_is_found(rule):
    [result] = report_of(RightEndpoint(FAULTS[rule]), only=[rule], runs=2).results

    assert result.outcome == "broken"
    assert result.text
    assert result.request


def test_every_fault_is_that_of_a_rule():
    assert FAULTS.keys() == set(RULE_IDS)
    assert len(set(RULE_IDS)) == len(RULE_IDS)


def test_a_rule_that_one_answer_in_five_breaks_is_unsteady():
    fault = Fault(chunks=FAULTS["thinking.disabled"].chunks, every=5)

    report = report_of(RightEndpoint(fault), only=["thinking.disabled"], runs=5)

    [result] = report.results
    assert (result.outcome, result.broken, result.observed) == ("unsteady", 1, 5)
    assert report.is_broken


def test_ten_checks_of_a_right_endpoint_have_the_same_report():
    first, *others = [report_of(RightEndpoint(), only=["chunk.id", "whole.equal"], runs=1) for _ in range(10)]

    assert others == [first] * 9


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"])
def test_every_line_end_of_the_standard_is_right(line_end):
    endpoint = RightEndpoint(Fault(stream=lambda sent, _: sent.replace(b"\n", line_end)))

    report = report_of(endpoint, only=[rule for rule in RULE_IDS if "time." not in rule], runs=1)

    assert [result for result in report.results if result.broken] == []


def test_a_rule_that_cannot_be_observed_is_skipped_with_the_reason():
    endpoint = RightEndpoint(Fault(stream=lambda sent, _: sent.replace(b": keep-alive\n", b"")))

    [result] = report_of(endpoint, only=["sse.comments"], runs=1).results

    assert (result.outcome, result.text) == ("skipped", "no comment was received")


def test_a_refused_request_is_the_reason_for_skipping_its_rule():
    def refuse(response, body):
        return response if body is None else Response(status=503, pieces=[(0.1, b"overloaded")])

    [result] = report_of(RightEndpoint(Fault(response=refuse)), only=["thinking.enabled"], runs=1).results

    assert (result.outcome, result.text) == ("skipped", "status 503: overloaded")


def test_without_a_key_the_rule_about_wrong_keys_is_skipped():
    report = asyncio.run(check(RightEndpoint(), "http://right", only=["error.wrong-key", "http.status"]))

    assert [result.outcome for result in report.results] == ["holds", "skipped"]


def test_a_delta_after_the_finish_reason_is_found_although_an_earlier_one_is_the_same():
    def repeated(chunks, _):
        return [*chunks, chunks[1]]

    [result] = report_of(
        RightEndpoint(Fault(chunks=repeated, times=lambda times, _: [1.0] * len(times))),
        only=["finish.once"],
        runs=1,
    ).results

    assert result.text == "a delta comes after the finish reason"


def test_an_unknown_rule_is_named():
    with pytest.raises(RequestError, match="'no.such' is not a rule"):
        report_of(RightEndpoint(), only=["no.such"])


def test_an_endpoint_that_does_not_respond_is_an_error():
    gone = Fault(response=lambda *_: Response(failure="cannot connect"))

    with pytest.raises(UnreachableError, match="cannot connect"):
        report_of(RightEndpoint(gone))


def test_an_endpoint_without_models_needs_a_name():
    empty = Fault(response=lambda response, body: Response(status=404) if body is None else response)

    with pytest.raises(RequestError, match="--model"):
        report_of(RightEndpoint(empty))


def test_the_report_names_what_is_in_front_of_the_endpoint():
    def relayed(response, _):
        headers = {**response.headers, "via": "1.1 cache"}
        return msgspec.structs.replace(response, headers=headers, version="HTTP/1.0")

    report = report_of(RightEndpoint(Fault(response=relayed)), only=["http.content-type"], runs=1)

    named = head(report)
    assert (named["Server"], named["Via"], named["HTTP version"]) == ("right", "1.1 cache", "HTTP/1.0")
    assert all(
        line in encode_text(report) for line in ("Server: right", "Via: 1.1 cache", "HTTP version: HTTP/1.0")
    )


def test_of_a_header_with_a_value_for_each_response_some_are_named():
    numbers = iter(range(10_000))

    def numbered(response, _):
        headers = {**response.headers, "cf-ray": str(next(numbers))}
        return msgspec.structs.replace(response, headers=headers)

    report = report_of(RightEndpoint(Fault(response=numbered)), only=["sse.done"], runs=5)

    assert re.fullmatch(r"[0-9]+, [0-9]+, [0-9]+ and [0-9]+ more", report.headers["cf-ray"])


def test_a_page_shows_broken_rules_first():
    page = encode_html(report_of(RightEndpoint(FAULTS["usage.sum"]), only=["sse.done", "usage.sum"], runs=1))

    assert page.index("usage.sum") < page.index("sse.done")
