"""The HTML report of `headrace bench` in Chromium: texts of an endpoint neither run nor load anything."""

import pytest

from headrace.benchmarking import Run, Sample, Settings, summarize
from headrace.benchmarking.page import encode_html
from headrace.benchmarking.report import Measured, Report

HOSTILE = (
    "<script>trap()</script><img src=http://lan.test/x onerror=trap()>"
    '"><svg onload=trap()></svg></title><iframe srcdoc="<script>parent.trap()</script>"></iframe>'
    "\x1b]52;x\x07\u202e]]>"
)


@pytest.fixture
def file(tmp_path):
    good = {"firsts": {"byte": 0.1, "delta": 0.2}, "deliveries": (0.2, 0.3, 1.5), "end": 2.0, "status": 200}
    samples = [Sample(planned=5.0 + n, outcome="success", **good) for n in range(20)]
    samples.append(
        Sample(planned=9.0, outcome="error", detail=HOSTILE, body=HOSTILE, retry_after=HOSTILE, status=429)
    )
    settings = Settings(model=HOSTILE, prompts=HOSTILE, request=HOSTILE, concurrency=2)
    run = Run(
        url=HOSTILE, date="today", nonce="n", settings=settings, samples=samples, lags=[0.001], backlog=2
    )
    file = tmp_path / "report.html"
    file.write_text(encode_html(Report([Measured(run, summarize(run))] * 2, {HOSTILE: []}, HOSTILE)))
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_shows_hostile_texts_and_loads_nothing(context, file, scheme):
    requested, trapped = [], []
    page = context.new_page()
    page.emulate_media(color_scheme=scheme)
    page.expose_function("trap", lambda: trapped.append("called"))
    page.on("request", lambda request: requested.append(request.url))
    page.goto(file.as_uri())
    shown = page.locator("body").inner_text()

    assert (requested, trapped) == ([file.as_uri()], [])
    assert page.locator("script, img, iframe, object").count() == 0
    assert "<script>trap()</script>" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    assert page.locator("svg").count() == 2 * 4 + 1  # without a usage there is no throughput
    assert page.locator("rect.stall").count() == 2 * 20
