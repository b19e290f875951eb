"""One response, measured: firsts, deliveries, outcomes, tokens."""

import gzip
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.benchmarking.meter import Meter
from headrace.benchmarking.meter import decode_json as decode
from headrace.benchmarking.sample import FIRSTS, OUTCOMES
from headrace.checking import Response
from headrace.errors import DecodeError
from headrace.sse import SseDecoder
from timed_endpoint import DONE, chunk, frame, measure, usage

END = chunk(reason="stop") + usage() + DONE
TEXT = chunk({"content": "x"})


def sample_of(*pieces, delay=0.0, **fields):
    """Measure a stream of (time, bytes)."""
    return measure(Response(**{"status": 200, "pieces": list(pieces)} | fields), delay)


def test_role_comment_empty_and_usage_chunks_are_no_first_deltas():
    sample = sample_of(
        (0.1, chunk({"role": "assistant"})),
        (0.3, b": waiting\n\n"),
        (0.5, chunk({"content": "", "reasoning_content": None})),
        (1.0, chunk({"reasoning_content": "hm"})),
        (3.0, TEXT),
        (4.0, chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{"}}]})),
        (5.0, END),
    )

    assert sample.firsts == {"byte": 0.1, "delta": 1.0, "thinking": 1.0, "answer": 3.0, "argument": 4.0}
    assert sample.outcome == "success"


@pytest.mark.parametrize(
    ("delta", "kind"),
    [
        ({"reasoning_content": "x"}, "thinking"),
        ({"reasoning": "x"}, "thinking"),
        ({"reasoning_details": [{"text": "x"}]}, "thinking"),
        ({"refusal": "x"}, "answer"),
        ({"content": "x"}, "answer"),
        ({"tool_calls": [{"function": {"arguments": "{"}}]}, "argument"),
        ({"tool_calls": [{"function": {"name": "f", "arguments": ""}}]}, None),
    ],
)
def test_output_of_every_name_is_a_first_delta(delta, kind):
    firsts = sample_of((2.0, chunk(delta) + END)).firsts

    assert set(firsts) == {"byte", "delta"} | ({kind} - {None})


@given(
    st.lists(st.floats(0.001, 10), min_size=1, max_size=20),
    st.floats(0, 5),
    st.lists(st.integers(1, 3), min_size=20, max_size=20),
)
def test_deltas_that_arrive_together_are_one_delivery(waits, delay, sizes):
    times = [sum(waits[: n + 1]) for n in range(len(waits))]
    sample = sample_of(
        *((at, TEXT * size) for at, size in zip(times, sizes, strict=False)), (times[-1], END), delay=delay
    )

    assert sample.deliveries == tuple(dict.fromkeys(delay + at for at in times))
    assert sum(sample.gaps) == pytest.approx(sample.deliveries[-1] - sample.deliveries[0])


ERROR = frame({"error": {"code": "1234", "message": "x"}})
OUTCOME_OF = {
    "success": TEXT + END,
    "error before the first delta": ERROR,
    "error after the first delta": TEXT + ERROR + END,
    "error as finish reason": TEXT + chunk(reason="error") + DONE,
    "error network": TEXT + chunk(reason="network_error") + DONE,
    "error page": b"<html>Bad gateway</html>",
    "error as JSON": b'{"error": {"message": "x"}}',
    "truncated after a delta": TEXT,
    "truncated without its end mark": TEXT + chunk(reason="stop") + usage(),
    "empty body": b"",
    "empty answer": chunk({"role": "assistant"}) + END,
}


@pytest.mark.parametrize("case", OUTCOME_OF)
def test_only_a_complete_stream_with_output_is_a_success(case):
    sample = sample_of(*[(1.0, OUTCOME_OF[case])] * bool(OUTCOME_OF[case]))

    assert sample.outcome == case.split()[0]
    assert bool(sample.detail) == (sample.outcome != "success")


@pytest.mark.parametrize(
    ("fields", "outcome", "detail"),
    [
        ({"status": 0, "cause": "client", "failure": "too many open files"}, "client", "too many open files"),
        ({"status": 0, "cause": "connect", "failure": "refused"}, "error", "connect: refused"),
        ({"status": 200, "cause": "timeout", "failure": "no end"}, "truncated", "no end"),
        ({"status": 429, "pieces": [(1.0, b'{"error": {"code": "1302"}}')]}, "error", "429, code 1302"),
        ({"status": 502, "pieces": [(1.0, b"<html>")]}, "error", "status 502"),
    ],
)
def test_a_failure_has_its_class_and_its_reason(fields, outcome, detail):
    sample = measure(Response(**fields))

    assert (sample.outcome, detail in sample.detail) == (outcome, True)
    assert sample.body == "".join(piece.decode() for _, piece in fields.get("pieces", []))


@given(
    st.lists(
        st.sampled_from([*OUTCOME_OF.values(), b"data: 1\n\n", b'data: {"choices": [1, null]}\n\n', b"\xff"])
    )
)
def test_every_response_has_one_outcome(parts):
    sample = sample_of(*((float(n), part) for n, part in enumerate(parts)))

    assert sample.outcome in OUTCOMES
    assert sample.firsts.keys() <= set(FIRSTS)
    assert sample.outcome != "success" or sample.deliveries


def test_a_slow_decoder_moves_no_time(monkeypatch):
    pieces = [(1.0, TEXT), (1.5, TEXT), (2.0, END)]
    before = sample_of(*pieces)
    feed = SseDecoder.feed
    monkeypatch.setattr(SseDecoder, "feed", lambda *arguments: [time.sleep(0.05), feed(*arguments)][1])

    assert sample_of(*pieces) == before


def test_an_event_of_two_megabytes_is_read():
    sample = sample_of((1.0, chunk({"content": "x" * 2_000_000})), (2.0, END))

    assert (sample.outcome, sample.deliveries) == ("success", (1.0,))


def test_a_usage_of_wrong_types_has_no_tokens():
    sample = sample_of((1.0, TEXT + chunk(reason="stop") + frame({"choices": [], "usage": "many"}) + DONE))

    assert (sample.outcome, sample.output_tokens) == ("success", None)


def test_each_event_is_decoded_when_it_arrives_and_none_at_the_end(monkeypatch):
    """Streams that end together would otherwise hold the client for all their events at once."""
    decoded = []
    monkeypatch.setattr(
        "headrace.benchmarking.meter.decode_json", lambda data: decoded.append(data) or decode(data)
    )
    meter, response = Meter("chat"), Response(status=200)
    for number in range(1, 100):
        meter.feed(response, float(number), TEXT)
        assert len(decoded) == number
    meter.feed(response, 100.0, END)
    events = len(decoded)
    sample = meter.finish(response)

    assert (sample.outcome, len(sample.deliveries)) == ("success", 99)
    assert len(decoded) == events


def test_nothing_is_kept_of_a_stream_but_times_and_counts():
    meter, response = Meter("chat"), Response(status=200)
    long = chunk({"content": "x" * 100_000})
    meter.feed(response, 0.5, long)
    tracemalloc.start()
    for number in range(1, 101):
        meter.feed(response, float(number), long)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept < len(long)
    assert meter.finish(response).mean_text == pytest.approx((0.5 + sum(range(1, 101))) / 101)


def test_a_compressed_stream_is_measured_as_any_other():
    body = gzip.compress(TEXT + END)
    sample = sample_of((1.0, body[:10]), (2.0, body[10:]), headers={"content-encoding": "gzip"})

    assert (sample.outcome, sample.firsts["byte"], sample.firsts["delta"]) == ("success", 1.0, 2.0)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"data: " + b"x" * (17 * 1024 * 1024), {}),
        (gzip.compress(bytes(65 * 1024 * 1024)), {"content-encoding": "gzip"}),
        (b"plain", {"content-encoding": "gzip"}),
    ],
    ids=["an event of 17 MB", "a bomb", "no gzip"],
)
def test_a_body_that_cannot_be_decoded_ends_the_response(body, headers):
    with pytest.raises(DecodeError):
        sample_of((1.0, body), headers=headers)


@pytest.mark.parametrize("code", ["x" * 1_000_000, [[[]]], {"a": 1}, True, None, 1.5])
@pytest.mark.parametrize("status", [200, 500])
def test_the_code_of_an_error_is_short_whatever_it_is(code, status):
    sample = sample_of((1.0, frame({"error": {"code": code}})[6 * (status != 200) :]), status=status)

    assert sample.outcome == "error"
    assert len(sample.detail) < 100


def test_an_error_without_an_end_is_not_kept():
    meter, response = Meter("chat"), Response(status=500)
    for _ in range(1000):
        meter.feed(response, 1.0, b"x" * 10_000)

    assert len(meter.finish(response).body) == 200
    assert len(meter._body) < 100_000
