"""A wrong URL, key or model is one sentence before the first planned request, in every program."""

import asyncio
import json

import pytest

from headrace.benchmarking import Settings, bench
from headrace.checking import Request, Response, check, find_model
from headrace.checking.probe import find_absence, probe
from headrace.checking.verify import Sample, verify
from headrace.errors import RequestError, UnreachableError
from timed_endpoint import TimedEndpoint, frame, streamed
from virtual_time import virtual_time

__all__ = ["virtual_time"]


class Listing:
    """Lists models, and answers every other request alike."""

    def __init__(self, *models, status=404, body=b"what", headers=None, listing=200):
        data = json.dumps({"data": [{"id": model} for model in models]}).encode()
        self.models = Response(status=listing, pieces=[(0.1, data)] if models else [])
        self.response = Response(status=status, headers=headers or {}, pieces=[(0.1, body)] if body else [])
        self.posts = 0

    async def send(self, request, feed=None):
        if request.path == "/models":
            return self.models
        self.posts += 1
        return self.response


def probed(endpoint, model="m"):
    return asyncio.run(probe(endpoint, "http://x", Request(body=b"{}"), model))


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        (308, {"location": "https://b/v1"}, "redirects to 'https://b/v1'"),
        (200, {"content-type": "text/html; charset=utf-8"}, "a page of HTML"),
        (401, {}, "--key-env: what"),
        (404, {}, "status 404: what"),
        (429, {}, None),
        (503, {"content-type": "text/html"}, None),
        (200, {"content-type": "text/event-stream"}, "neither a stream nor an answer"),
    ],
)
def test_a_response_that_is_not_of_the_api_has_the_reason(status, headers, reason):
    found = find_absence(Response(status=status, headers=headers, pieces=[(0.1, b"what")]))

    assert reason in found if reason else found == ""


@pytest.mark.parametrize(
    ("body", "is_answer"),
    [
        (b": waiting\n\n", True),
        (b"data: {", True),
        (b"\xef\xbb\xbfdata: {}\n\n", True),
        (b"keep-alive\r\nevent: ping\r\n", True),
        (b'{"choices": []}', True),
        (b'{"id": "turn-1", "choic', True),
        (b"da", True),
        (b"\xef\xbb\xbf", True),
        (b"\r\n", True),
        (b"\n\nid", True),
        (b"ide", False),
        (b"", False),
        (b"OK", False),
        (b"\xff\xfe", False),
        (b"<!doctype html><title>data: x</title>", False),
        (b"[1]", False),
        (b'{"code": 500, "msg": "404 NOT_FOUND", "success": false}', False),
    ],
)
def test_a_body_with_status_200_is_a_stream_an_answer_or_something_else(body, is_answer):
    found = find_absence(Response(status=200, pieces=[(0.1, body)]))

    assert (found == "") == is_answer


def test_a_connection_that_is_lost_before_the_body_may_be_temporary():
    assert (
        find_absence(Response(status=200, cause="closed", failure="the server closed the connection")) == ""
    )


@pytest.mark.parametrize(
    "refusal",
    [
        {"status": 400},
        {"status": 404},
        {"status": 500},
        {"status": 200, "body": frame({"error": {"message": "unknown model"}})},
        {"status": 200, "body": b'{"error": {"message": "unknown model"}}'},
    ],
    ids=["400", "404", "500", "error in the stream", "error as JSON"],
)
def test_a_model_that_is_not_served_is_named_with_those_that_are(refusal):
    reason = probed(Listing("glm-4.6", "tiny", **refusal), "glm-5")

    assert reason.startswith(
        "the model 'glm-5' is not served, but 'glm-4.6' and 'tiny' are; name one with --model ("
    )
    assert f"status {refusal['status']}" in reason


def test_of_many_models_some_are_named():
    reason = probed(Listing(*map(str, range(300))), "glm-5")

    assert "'3', '4' and 295 more are; name one" in reason


def test_a_model_that_answers_need_not_be_listed():
    assert probed(Listing("glm-4.6", status=200, body=frame({"choices": []})), "an-alias") == ""


@pytest.mark.parametrize("status", [429, 503])
def test_an_endpoint_that_is_overloaded_is_not_blamed_for_its_model(status):
    assert probed(Listing("glm-4.6", status=status), "an-alias") == ""


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_reported_before_the_model(status):
    assert "--key-env" in probed(Listing("glm-4.6", status=status), "glm-5")


@pytest.mark.parametrize("models", [(), ("m",)])
def test_without_a_list_of_models_the_base_url_may_be_wrong(models):
    assert ("complete the base URL (…/v1)" in probed(Listing(*models))) == (not models)


def refuse(program, endpoint):
    """Run a program against an endpoint that does not serve its model."""
    if program == "check":
        return check(endpoint, "http://x", model="glm-5", runs=1)
    if program == "verify":
        return verify(endpoint, "http://x", "glm-5", [Sample(id="a", request={"messages": []})] * 200)
    return bench(endpoint, "http://x", Settings(model="glm-5", concurrency=100))


@pytest.mark.parametrize(
    ("endpoint", "sentence"),
    [
        (Listing("glm-4.6"), "the model 'glm-5' is not served, but 'glm-4.6' is; name one with --model"),
        (Listing("glm-5", status=401), "--key-env: what"),
        (Listing(listing=404), "status 404: what; complete the base URL"),
        (Listing("glm-5", status=200), "neither a stream nor an answer as JSON; correct the URL: what"),
    ],
    ids=["model", "key", "path", "not JSON"],
)
@pytest.mark.parametrize("program", ["check", "verify", "bench"])
def test_no_program_begins_at_an_endpoint_that_can_answer_nothing(program, endpoint, sentence):
    endpoint.posts = 0
    with pytest.raises(UnreachableError) as caught:
        asyncio.run(refuse(program, endpoint))

    assert caught.value.message.startswith("http://x cannot be ")
    assert sentence in caught.value.message
    assert endpoint.posts <= 3  # one for each API


@pytest.mark.parametrize("program", ["check", "verify", "bench"])
def test_no_program_begins_at_an_endpoint_that_does_not_respond(program):
    gone = Listing()
    gone.response = Response(cause="connect", failure="cannot connect: refused")

    with pytest.raises(UnreachableError, match="^http://x does not respond: cannot connect: refused$"):
        asyncio.run(refuse(program, gone))
    assert gone.posts == 1


async def test_the_probe_leaves_after_the_first_part_of_the_answer(virtual_time):
    sent = []

    def script(_, request):
        sent.append(request)
        return streamed()

    assert await probe(TimedEndpoint(script), "http://x", Request(half_close_after=3), "m") == ""
    assert [(request.leave_after, request.half_close_after) for request in sent] == [(1, 0)]


async def test_an_endpoint_that_accepts_and_stays_silent_is_an_error(virtual_time):
    with pytest.raises(UnreachableError, match="does not respond within 120 seconds"):
        await find_model(TimedEndpoint(lambda *_: [1e6]))


def test_an_endpoint_without_models_needs_a_name():
    with pytest.raises(RequestError, match="--model"):
        asyncio.run(check(Listing(), "http://right"))


@pytest.mark.parametrize(
    ("status", "remedy"), [(401, "--key-env"), (403, "--key-env"), (404, "base URL"), (500, "--model")]
)
def test_an_endpoint_that_lists_no_models_is_an_error_with_what_to_change(status, remedy):
    endpoint = Listing()
    endpoint.models = Response(status=status, pieces=[(0.1, b"{}")])

    with pytest.raises(RequestError, match=f"status {status}.*{remedy}"):
        asyncio.run(check(endpoint, "http://refusing"))
