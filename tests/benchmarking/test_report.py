"""A run as text, JSON and HTML."""

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.benchmarking import Run, Sample, Settings, summarize
from headrace.benchmarking.page import encode_html
from headrace.benchmarking.plot import histogram, lines, log_bins
from headrace.benchmarking.plots import find_stalls
from headrace.benchmarking.report import DEFINITIONS, Measured, Report, decode_runs, encode_json, encode_text
from headrace.errors import RequestError

HOSTILE = "\x1b]52;x\x07<script>\u202e"


def a_run(number=20, body=HOSTILE):
    good = [
        Sample(
            planned=5.0 + n,
            outcome="success",
            status=200,
            firsts={"byte": 0.1, "delta": 0.2 + n / 100},
            deliveries=(0.3, 0.4, 0.9),
            end=1.0,
            prompt_tokens=12,
            output_tokens=6,
        )
        for n in range(number)
    ]
    failed = Sample(planned=6.5, outcome="error", detail="status 429", body=body, status=429, retry_after="2")
    settings = Settings(model=HOSTILE, concurrency=2)
    return Run(
        url="http://x",
        date="today",
        nonce="n",
        settings=settings,
        samples=[*good, failed],
        lags=[0.001],
        backlog=2,
    )


def report_of(*runs):
    return Report([Measured(run, summarize(run)) for run in runs])


def test_the_text_has_the_figures_and_escapes_what_the_endpoint_sent():
    text = encode_text(report_of(a_run()))

    assert re.search(r"first delta +20 +290.0 ms +370.0 ms +390.0 ms", text)
    assert re.search(r"first answer +0 +n/a +n/a +n/a", text)
    assert "Requests: 21: 20 success, 1 error" in text
    assert "Refusals: 1 x 429, Retry-After 2" in text
    assert "closed loop, 2 at once, 30 s after 5 s of warm-up; at most 2 at once" in text
    assert "failed: 1 x error: status 429: \\u001b]52" in text
    assert not {"\x1b", "\u202e", "\x07"} & set(text)


def test_failures_of_a_kind_are_one_line_with_the_first_body():
    run = a_run(0, body="id 1")
    run.samples += a_run(0, body="id 2").samples
    text = encode_text(report_of(run))

    assert "failed: 2 x error: status 429: id 1\n" in text
    assert "id 2" not in text


def test_the_json_is_the_run_and_can_be_read_again(tmp_path):
    file = tmp_path / "run.json"
    file.write_text(encode_json(report_of(a_run())))

    assert decode_runs(file) == [a_run()]
    assert msgspec.json.decode(file.read_bytes())["definitions"] == DEFINITIONS


@pytest.mark.parametrize("content", [b"", b"{}", b'{"run": {}}', b"\xff"])
def test_another_file_is_no_report(tmp_path, content):
    file = tmp_path / "run.json"
    file.write_bytes(content)

    with pytest.raises(RequestError, match=r"run\.json is not a report"):
        decode_runs(file)


@pytest.mark.parametrize("fields", [{"deliveries": ()}, {"deliveries": (0.0,)}, {"firsts": {}}])
def test_a_success_without_a_delivery_is_no_report(tmp_path, fields):
    run = a_run()
    run.samples[3] = msgspec.structs.replace(run.samples[3], **fields)
    file = tmp_path / "run.json"
    report = Report([Measured(run, summarize(a_run()))])
    file.write_text(encode_json(report))

    with pytest.raises(RequestError, match="without a first or a last delivery"):
        decode_runs(file)


def test_many_kinds_of_failures_are_ten_lines_and_a_sum():
    run = a_run(0)
    details = [f"status {400 + number}" for number in range(30) for _ in range(number + 1)]
    run.samples = [msgspec.structs.replace(run.samples[0], detail=detail, body="") for detail in details]
    lines = [line for line in encode_text(report_of(run)).splitlines() if line.startswith("failed: ")]

    assert lines[0] == "failed: 30 x error: status 429"
    assert lines[-1] == "failed: 210 x 20 other kinds; --json has them"
    assert len(lines) == 11


def test_dates_to_retry_after_are_one_kind_of_refusal():
    run = a_run(0)
    run.samples = [
        msgspec.structs.replace(run.samples[0], retry_after=after)
        for after in ("2", "Sun, 29 Nov 2026 12:00:01 GMT", "Sun, 29 Nov 2026 12:00:02 GMT", "9" * 1000)
    ]

    assert summarize(run).refusals == {"429, Retry-After 2": 1, "429, Retry-After not in seconds": 3}


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RequestError, match="no such file"):
        decode_runs(tmp_path / "missing.json")


def test_the_page_is_one_file_that_loads_and_runs_nothing():
    page = encode_html(report_of(a_run()))

    assert "<script" not in page
    assert not re.search(r"\b(?:src|href)=|@import|url\(", page)
    assert page.count("<svg") == 5
    assert all(text.partition(".")[0].replace("'", "&#x27;") in page for text in DEFINITIONS.values())
    ET.fromstring(re.sub(r"<!doctype html>|<meta[^>]*>", "", page))  # every element is closed


@pytest.mark.parametrize("number", [0, 1])
def test_a_run_without_successes_has_a_page(number):
    page = encode_html(report_of(a_run(number)))

    assert page.count("<svg") == (5 if number else 1)


def test_a_stall_is_far_longer_than_the_usual_gap():
    sample = Sample(planned=0.0, outcome="success", deliveries=(1.0, 1.02, 1.04, 2.04, 2.06, 2.11))

    assert find_stalls(sample, median_gap=0.02) == [(1.04, 2.04)]
    assert find_stalls(sample, median_gap=0.2) == []
    assert find_stalls(sample, median_gap=0.001) == [(1.04, 2.04)]  # a gap of 50 ms is none


def test_stalls_and_failures_are_marked_in_the_plot_of_streams():
    run = a_run()
    run.samples.append(Sample(planned=9.0, outcome="truncated", status=200, end=3.0))
    page = encode_html(report_of(run))

    assert page.count('<rect class="waiting"') == page.count('<rect class="reading"') == 20
    assert page.count('<rect class="cut"') == 1
    assert page.count('<rect class="stall"') == 0
    run.samples[0] = msgspec.structs.replace(run.samples[0], deliveries=(*[n / 10 for n in range(9)], 5.0))
    assert encode_html(report_of(run)).count('<rect class="stall"') == 1


def test_levels_are_points_and_refusals_are_a_curve():
    runs = [a_run(), a_run()]
    runs[1].settings = msgspec.structs.replace(runs[1].settings, concurrency=8)
    page = encode_html(report_of(*runs))

    assert ">1: 2 at once</text>" in page
    assert ">2: 8 at once</text>" in page
    assert "share of requests that were refused" in page
    assert "share of requests that were refused" not in encode_html(report_of(runs[0]))


@given(st.lists(st.floats(1e-6, 1e4)))
def test_every_value_is_in_one_bin(values):
    bins = log_bins(values)

    assert sum(number for _, _, number in bins) == len(values)
    assert all(before[1] == pytest.approx(after[0]) for before, after in pairwise(bins))
    for low, high, number in bins:
        assert sum(low * (1 + 1e-9) <= value < high * (1 - 1e-9) for value in values) <= number


@given(st.lists(st.floats(1e-6, 1e4)), st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e4))))
def test_every_plot_is_within_its_frame(values, points):
    for drawn in (histogram(log_bins(values), "x"), lines({"a": points, "b": points}, "x")):
        for text in re.findall(r'(?:points|x|y)="([^"]*)"', drawn):
            assert all(-1 <= float(number) <= 641 for number in re.split("[ ,]", text))


def test_the_highest_rate_is_that_of_a_second_without_refusals():
    statuses = {0: [200] * 3, 1: [200] * 5 + [429], 2: [200] * 4, 3: [503] * 9}
    run = a_run(0)
    run.samples = [
        Sample(planned=second + n / 10, outcome="error", status=status)
        for second, group in statuses.items()
        for n, status in enumerate(group)
    ]

    assert summarize(run).highest_rate_without_refusals == 4
    assert summarize(run).refusals == {"429": 1, "503": 9}
