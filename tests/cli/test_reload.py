"""SIGHUP as an operator uses it."""

import signal
import sys
import threading

from served import BODY, serving, words
from wire_client import CHAT, chunks_of

DEFAULT_SIGHUP = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])"
BEFORE = (sys.executable, "-c", DEFAULT_SIGHUP)


def status(client, key):
    return client.get("/v1/models", headers={"authorization": f"Bearer {key}"}).status_code


def test_sighup_reloads_options_and_keys_and_no_stream_is_dropped(tmp_path):
    keys, gate = tmp_path / "keys.txt", threading.Event()
    keys.write_text("# of the team\nalice.one\n")
    first = '[server]\napi_keys_file = "keys.txt"\n'
    with serving(tmp_path, reply=words(3, gate), options=first, before=BEFORE) as server:
        headers = {"authorization": "Bearer alice.one"}
        with server.client() as client, client.stream("POST", CHAT, json=BODY, headers=headers) as response:
            pieces = response.iter_raw()
            body = next(pieces)
            file = tmp_path / "headrace.toml"
            valid = file.read_text()

            file.write_text(valid + "no TOML")
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("headrace.toml is not valid TOML")

            keys.write_text("bob.two\n")
            file.write_text(
                valid.replace("[server]", "[server]\nkeep_alive_interval = 3\nmax_connections = 9")
            )
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("restart the server")
            assert [status(client, key) for key in ("alice.one", "bob.two")] == [401, 200]

            gate.set()
            body += b"".join(pieces)
        server.process.terminate()
        server.process.wait(60)

    assert chunks_of(body)[-1]["choices"][0]["finish_reason"] == "stop"
    invalid, *changes = [line.removeprefix("reload: ") for line in server.log_of("headrace.configuration")]
    assert invalid.startswith("the configuration remains as it was: headrace.toml is not valid TOML")
    assert changes == [
        "API keys: 1 added, 1 removed",
        "keep_alive_interval is 3 (was 8)",
        "restart the server to change max_connections",
    ]


def test_sighup_stays_ignored_under_nohup(tmp_path):
    with serving(tmp_path, before=(*BEFORE, "nohup")) as server:
        server.process.send_signal(signal.SIGHUP)
        with server.client() as client:
            assert chunks_of(client.post(CHAT, json=BODY).content)
        server.process.terminate()
        assert server.process.wait(60) == -signal.SIGTERM

    assert not [line for line in server.logged if "reload" in line]
