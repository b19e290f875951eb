"""`benchmarks/relay` runs, and its load generator notices what is missing."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripted_server import Reply, ScriptedServer

RELAY = Path(__file__).parents[2] / "benchmarks" / "relay"
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
DONE = b"data: [DONE]\n\n"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("gcc"), reason="needs Linux and gcc"
)


def delta(number):
    return b"data: text~%016d.%07d~\n\n" % (0, number)


def byte_by_byte(text):
    return [text[at : at + 1] for at in range(len(text))]


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    """Run load.c with one stream of three deltas against a server that sends the frames; what it found."""
    program = tmp_path_factory.mktemp("load") / "load"
    subprocess.run(["gcc", "-o", program, RELAY / "load.c"], check=True)

    def run(frames, *options):
        with ScriptedServer(Reply(frames)) as server:
            port = server.url.rpartition(":")[2].partition("/")[0]
            command = [program, "-p", port, "-n", "3", "-t", "10", *options]
            done = subprocess.run(command, input=REQUEST, capture_output=True, check=True)
        return json.loads(done.stdout)

    return run


def test_a_complete_stream_is_found_complete_under_every_cut(load):
    frames = [delta(0), delta(1), delta(2), DONE]

    for cut in (frames, [b"".join(frames)], byte_by_byte(b"".join(frames))):
        found = load(cut)
        assert (found["completed"], found["errors"], found["events"]) == (1, 0, 3)


def test_deltas_may_be_repeated_where_an_api_does_so(load):
    frames = [delta(0), delta(1), delta(0) + delta(1), delta(2), delta(2), DONE]

    found = load(frames, "-R")
    assert (found["completed"], found["errors"], found["events"]) == (1, 0, 3)
    assert load([delta(0), delta(0), delta(2), DONE], "-R")["first_error"] == "another delta than number 1"


@pytest.mark.parametrize(
    ("frames", "error"),
    [
        ([delta(0), delta(2), DONE], "another delta than number 1"),
        ([delta(0), delta(1), delta(1), delta(2), DONE], "another delta than number 2"),
        ([delta(1), delta(0), delta(2), DONE], "another delta than number 0"),
        ([delta(0), delta(1), DONE], "ended after 2 of 3 deltas"),
        ([delta(0), delta(1), delta(2)], "ended after 3 of 3 deltas, without [DONE]"),
    ],
    ids=["missing", "twice", "swapped", "short", "no end"],
)
def test_a_stream_that_is_not_complete_is_an_error(load, frames, error):
    found = load(frames)

    assert (found["completed"], found["errors"], found["first_error"]) == (0, 1, error)


def test_streams_arrive_complete_without_a_relay_and_through_headrace(tmp_path):
    file = tmp_path / "results.json"
    options = [
        "--targets",
        "direct,chat,messages,responses,completions",
        "--scenarios",
        "paced50",
        "--rounds",
        "1",
        "--seconds",
        "1",
    ]
    command = [sys.executable, RELAY, *options, "--json", file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)

    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in file.read_text().splitlines()]
    assert [result["target"] for result in results] == [
        "direct",
        "chat",
        "messages",
        "responses",
        "completions",
    ]
    assert [result["figures"]["errors"] for result in results] == [0, 0, 0, 0, 0]
    assert "| streams with errors | 0 | 0 | 0 | 0 | 0 |" in done.stdout
