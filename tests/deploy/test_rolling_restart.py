"""`benchmarks/rolling_restart.py`, smaller: what happens to servers and proxies costs no answer, and a failure is seen."""

import re
import subprocess
import sys

import pytest

from proxies import DEPLOY, PROXIES, find_program

BENCHMARK = DEPLOY.parent / "benchmarks" / "rolling_restart.py"
SMALL = ["--streams", "8", "--words", "120", "--pace", "0.05", "--rate", "10", "--settle", "2"]

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not all(map(find_program, PROXIES)), reason="nginx or HAProxy is not installed"),
]


def run(proxy, *options):
    """Return the exit status and what was counted."""
    pytest.importorskip("trustme")
    command = [sys.executable, BENCHMARK, proxy, *SMALL, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    words = re.findall(
        r"^(\S.*?) +(\d+)$", done.stdout.replace("lost 0, twice 0", "lost 0\ntwice 0"), re.MULTILINE
    )
    return done.returncode, {name: int(count) for name, count in words}, done.stderr


@pytest.mark.parametrize("proxy", PROXIES)
def test_no_request_fails_and_every_answer_is_whole(proxy):
    # It settles for longer than the proxy needs on a busy machine to see that the first server is back.
    code, counts, faults = run(proxy, "--drain-delay", "2", "--settle", "4")

    assert (code, faults) == (0, "")
    assert counts["moved"] > 0
    assert (counts["failed"], counts["differing"], counts["generated twice"]) == (0, 0, 0)
    assert all(
        counts[f"request, {client}"] > 5 for client in ("httpx", "httpx, stream", "zai", "zai, stream")
    )


@pytest.mark.parametrize(
    ("proxy", "events"),
    [
        pytest.param("nginx", "restart,kill", id="make demo-cluster"),
        ("nginx", "reload,reload,reload,reload,reload,cut"),
        ("haproxy", "reload,reload,cut"),
    ],
)
def test_no_word_is_lost_or_sent_twice(proxy, events):
    code, counts, faults = run(
        proxy,
        "--servers",
        "3",
        "--events",
        events,
        "--drain-delay",
        "1",
        "--store",
        "redis",
        "--settle",
        "2.5",
    )

    assert (code, faults) == (0, "")
    assert counts["stream, zai"] > 8
    assert (counts["lost"], counts["twice"], counts["failed"], counts["differing"]) == (0, 0, 0, 0)


def test_requests_fail_if_a_server_is_gone_before_the_proxy_has_noticed():
    code, counts, _ = run("haproxy", "--drain-delay", "0", "--rate", "30")

    assert code == 1
    assert counts["failed"] > 0
