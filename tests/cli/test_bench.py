"""`headrace bench`: its output, its files and its exit status."""

import json
import re
import sys
from io import StringIO

import pytest

from headrace.benchmarking import Progress
from headrace.benchmarking.apis import APIS
from headrace.cli.main import main
from headrace.cli.progress import show_progress
from scripted_server import Reply, ScriptedServer, stream
from served import serving, words

SHORT = {"--duration": "0.5", "--warmup": "0.02", "--max-lag": "60"}


def bench(*arguments, reply=None):
    """The exit status of a short run against an endpoint whose only answer is `reply`."""
    with ScriptedServer(reply or Reply(stream("Hel", "lo"))) as server:
        return main(["bench", "--model", "m", *short(*arguments), *arguments, server.url])


def short(*arguments):
    """The options of a short run, but those that are given."""
    return [word for name, value in SHORT.items() if name not in arguments for word in (name, value)]


def test_a_run_prints_its_figures_and_writes_a_page(capsys, tmp_path):
    page = tmp_path / "page.html"

    assert bench("--concurrency", "2", "--report", str(page)) == 0
    assert "first delta" in capsys.readouterr().out
    assert page.read_text().startswith("<!doctype html>")


def test_an_open_loop_over_sockets(capsys):
    assert bench("--rate", "40", "--json") == 0
    run = json.loads(capsys.readouterr().out)["runs"][0]["run"]

    assert run["settings"]["rate"] == 40
    for sample in run["samples"]:
        assert (
            0 <= sample["started"] <= sample["firsts"]["byte"] <= sample["firsts"]["delta"] <= sample["end"]
        )


def test_failures_are_the_exit_status_and_are_still_written(capsys):
    # A refused slot is empty for 0.1 s: on a busy machine, a shorter run would measure no request.
    assert bench("--json", "--duration", "1", reply=Reply(b"{}", status=429)) == 1
    summary = json.loads(capsys.readouterr().out)["runs"][0]["summary"]

    assert summary["refusals"] == {"429": summary["requests"]}


@pytest.mark.parametrize(
    ("bounds", "status"), [("total=60", 0), ("total=0.000001", 1), ("ttft=0.000001,share=0.5", 1)]
)
def test_the_slo_decides_the_exit_status(bounds, status):
    assert bench("--slo", bounds) == status


def test_levels_of_load_are_runs_of_one_report(capsys, tmp_path):
    assert bench("--concurrency", "1,3", "--report", str(tmp_path / "page.html")) == 0
    assert re.search(
        r"load +URL .*\nclosed loop, 1 at once .*\nclosed loop, 3 at once .*\n$", capsys.readouterr().out
    )
    assert (tmp_path / "page.html").read_text().count("<h2>closed loop, ") == 2


def test_a_gateway_gets_the_same_load_in_turns(capsys):
    with ScriptedServer(Reply(stream("Hel", "lo"))) as gateway:
        assert bench("--concurrency", "4", "--via", gateway.url) == 0
    out = capsys.readouterr().out

    assert f"Seconds, and tokens/s, that {gateway.url} adds: closed loop, 4 at once\nmedian of" in out
    assert out.partition("median of")[2].split()[:2] == ["direct", "via"]
    assert "text, mean of a stream" in out.partition("median of")[2]


def test_prompts_of_a_file_are_sent(capsys, tmp_path):
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"messages": [{"role": "system", "content": "short"}]}')

    assert bench("--json", "--prompts", str(file)) == 0
    assert "<nonce> short" in json.loads(capsys.readouterr().out)["runs"][0]["run"]["settings"]["request"]


def test_the_apis_of_a_server_are_measured(capsys, tmp_path):
    with serving(tmp_path, reply=words(5)) as server:
        for api in APIS:
            assert main(["bench", *short(), "--json", "--api", api, f"{server.url}/v1"]) == 0
            summary = json.loads(capsys.readouterr().out)["runs"][0]["summary"]

            assert summary["outcomes"]["success"] == summary["requests"] > 0
            assert summary["firsts"]["answer"]["count"] == summary["output_tokens"]["count"] > 0


class Terminal(StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stderr", [Terminal(), StringIO()], ids=["terminal", "file"])
def test_live_figures_are_shown_on_a_terminal_only(monkeypatch, stderr):
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    for variable in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(variable, raising=False)
    with show_progress() as observe:
        observe(Progress("closed loop, 4 at once", 0.25, 4, 31, 2, 0.125))
    shown = "closed loop, 4 at once: 4 running, 31 ended, 2 failed; first delta 0.125 s" in stderr.getvalue()

    assert shown == isinstance(stderr, Terminal)
    assert bool(stderr.getvalue()) == shown


def test_a_late_client_has_an_exit_status_of_its_own(capsys):
    assert bench("--max-lag", "0.0000001") == 4
    assert "not valid: client" in capsys.readouterr().out


def test_an_endpoint_that_is_away(capsys):
    assert main(["bench", "--model", "m", "http://127.0.0.1:9"]) == 3
    assert "http://127.0.0.1:9 does not respond" in capsys.readouterr().err


def test_two_runs_are_compared(capsys, tmp_path):
    for name in ("a", "b", "warm"):
        # An open loop has the same number of requests on a busy machine.
        bench("--json", "--rate", "200", "--cache", "warm" if name == "warm" else "cold")
        (tmp_path / name).write_text(capsys.readouterr().out)
    a, b, warm = (str(tmp_path / name) for name in ("a", "b", "warm"))

    assert main(["bench", "compare", a, b]) == 0
    assert "95 % interval" in capsys.readouterr().out
    assert main(["bench", "compare", a, warm]) == 2
    assert "not comparable; they differ in cache: 'cold' and 'warm'" in capsys.readouterr().err
    assert main(["bench", "--force", "compare", a, warm]) == 0
    assert "differs: cache" in capsys.readouterr().out

    bench("--json", "--concurrency", "1,2")
    (tmp_path / "levels").write_text(capsys.readouterr().out)
    assert main(["bench", "compare", a, str(tmp_path / "levels")]) == 2
    assert "the reports are not comparable; they have 1 and 2 runs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--slo", "speed=2", "http://x"], "the names are ttft, gap_p99, stall, total, share"),
        (["--slo", "ttft=-1", "http://x"], "not above 0"),
        (["--slo", "share=2", "http://x"], "share above 1"),
        (["--rate", "nan", "http://x"], "not a number above 0"),
        (["--rate", "1,", "http://x"], "not a number above 0"),
        (["--concurrency", "1,x", "http://x"], "'x' is not an integer above 0"),
        (["--cancel", "1.5", "http://x"], "'1.5' is above 1"),
        (["--cancel", "0.5", "https://x"], "--cancel needs http://"),
        (["--via", "http://x", "http://x"], "--via names the same endpoint as URL"),
        (["--api", "embeddings", "http://x"], "invalid choice: 'embeddings'"),
        (["--rate", "2", "--concurrency", "2", "http://x"], "not allowed with"),
        (["--force", "http://x"], "--force is an option of compare"),
        (["--slo", "ttft=1,ttft=2", "http://x"], "has a bound twice"),
        (["--cancel", "0.5", "HTTPS://x"], "--cancel needs http://"),
        (["--seed", "3", "http://x"], "--seed 3 has no effect without --rate or --retries"),
        (["compare", "a"], "compare needs two files"),
        (["compare", "a", "b", "c"], "unknown argument c"),
    ],
)
def test_a_usage_error_names_its_argument(capsys, arguments, message):
    with pytest.raises(SystemExit, match="2"):
        main(["bench", *arguments])
    assert message in capsys.readouterr().err


def test_a_report_that_cannot_be_written(capsys, tmp_path):
    assert bench("--report", str(tmp_path / "missing" / "page.html")) == 2
    assert "--report: cannot write" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    ["--rate=2", "--concurrency=2", "--json", "--report=x", "--slo=ttft=1", "--max-lag=1", "--model=m"],
)
def test_no_option_is_ignored_by_compare(capsys, option):
    with pytest.raises(SystemExit, match="2"):
        main(["bench", option, "compare", "a", "b"])
    assert f"{option.partition('=')[0]} has no effect with compare" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["bench", "check"])
def test_what_an_endpoint_sends_is_escaped_in_error_messages(capsys, command):
    reply = Reply("\x1b]52;c;aGk=\x07 \u202e \x9b".encode(), status=404)
    with ScriptedServer(reply) as server:
        assert main([command, "--model", "m", server.url]) == 3

    err = capsys.readouterr().err
    assert r"404: \u001b]52;c;aGk=\u0007 \u202e \u009b" in err
    assert err.rstrip("\n").isprintable()


def test_json_has_no_control_characters_of_the_endpoint(capsys):
    assert bench("--json", "--duration", "0.5", reply=Reply("\x9b \u202e \x7f".encode(), status=500)) == 1
    out = capsys.readouterr().out

    assert out.replace("\n", "").isprintable()
    assert json.loads(out)["runs"][0]["run"]["samples"][0]["body"] == "\x9b \u202e \x7f"
