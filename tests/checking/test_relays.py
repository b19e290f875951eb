"""What stands in front of a right endpoint is found by its own rule: each relay delays something else."""

import asyncio

import msgspec
import pytest

from headrace.checking import RULES, Response, check
from planted_faults import relayed
from right_endpoint import RightEndpoint

RULE_IDS = [rule.id for rule in RULES if "time." in rule.id or rule.id.startswith(("resume.", "sse."))]


class Relayed(RightEndpoint):
    """Delivers the responses to some requests at other times."""

    def __init__(self, applies, times):
        super().__init__()
        self.applies, self.times = applies, times

    async def send(self, request):
        response = await super().send(request)
        if not response.pieces or not self.applies(request):
            return response
        times, pieces = zip(*response.pieces, strict=True)
        delayed = zip(self.times(list(times), b"".join(pieces)), pieces, strict=True)
        return msgspec.structs.replace(response, pieces=list(delayed))


def at_the_end(times, _):
    return [times[-1]] * len(times)


@pytest.mark.parametrize(
    ("applies", "times", "rules"),
    [
        (lambda request: request.method == "GET", at_the_end, {"resume.incremental"}),
        (lambda request: "Accept-Encoding" in request.headers, at_the_end, {"time.incremental-gzip"}),
        (
            lambda request: b'"max_tokens":600' in request.body and not request.headers,
            relayed,
            {"time.bursts"},
        ),
        (
            lambda request: request.method == "POST" and "Accept-Encoding" not in request.headers,
            at_the_end,
            {
                f"{api}time.{id}"
                for api in ("", "messages.", "responses.")
                for id in ("first-delta", "incremental")
            },
        ),
    ],
    ids=["collects GET", "compresses", "waits for 4 kB", "collects POST"],
)
def test_a_relay_is_found_by_its_own_rules(applies, times, rules):
    report = asyncio.run(check(Relayed(applies, times), "http://relayed", only=RULE_IDS, runs=1))

    assert {result.rule for result in report.results if result.broken} == rules


def test_an_event_of_two_megabytes_is_read():
    async def send(request):
        text = "a" * 2_000_000
        pieces = [(0.1, f'data: {{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}\n\n'.encode())]
        return Response(status=200, pieces=[*pieces, (0.2, b"data: [DONE]\n\n")])

    endpoint = RightEndpoint()
    endpoint.send = send
    report = asyncio.run(check(endpoint, "http://long", model="m", only=["sse.json", "sse.done"], runs=1))

    assert [result.outcome for result in report.results] == ["holds", "holds"]
