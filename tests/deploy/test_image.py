"""The image's entry point as process 1, in a namespace of its own: there, SIGTERM has no effect without a handler."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from proxies import DEPLOY
from scripted_server import Reply, ScriptedServer, stream
from waiting import until
from wire_client import CHAT, HELLO

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
UNSHARE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def words(instruction):
    """Those of an instruction, which must have exec form: a shell would not pass signals on."""
    return json.loads(re.search(rf"^{instruction} (.*)", DOCKERFILE, re.MULTILINE)[1])


def can_unshare():
    return (
        shutil.which("tini")
        and shutil.which("unshare")
        and subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode == 0
    )


def test_the_command_has_exec_form():
    assert words("ENTRYPOINT") == ["tini", "--", "headrace"]
    assert words("CMD") == ["serve"]


needs_unshare = pytest.mark.skipif(not can_unshare(), reason="needs tini, and root for a namespace")


@contextmanager
def image(tmp_path):
    """The image's entry point as process 1; yields the program and the id of process 1."""
    entry = words("ENTRYPOINT")
    program = [sys.executable, "-m", "headrace"] if entry[-1] == "headrace" else entry[-1:]
    command = [*UNSHARE, *entry[:-1], *program, *words("CMD"), "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, **pipes) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not (first := children.read_text().split()):
            time.sleep(0.01)
        yield process, int(first[0])


@needs_unshare
def test_sigterm_ends_process_1_while_it_loads(tmp_path):
    with image(tmp_path) as (process, first):
        await_program(first)
        os.kill(first, signal.SIGTERM)
        code = process.wait(30)
        logged = process.stderr.read()

    assert (code, logged) == (128 + signal.SIGTERM, "")


@needs_unshare
def test_sigterm_drains_process_1_while_it_serves(tmp_path):
    go_on = threading.Event()
    events = stream("Hel", "lo")
    with ScriptedServer(Reply([events[0], go_on, *events[1:]])) as upstream:
        (tmp_path / "headrace.toml").write_text(
            f'[models."glm-4.6"]\nengine = "chat"\nurl = "{upstream.url}"\nidle_timeout = 60\n'
        )
        with image(tmp_path) as (process, first):
            url = process.stdout.readline().split()[2].removesuffix("/api/paas/v4")
            with httpx2.Client(base_url=url, trust_env=False, timeout=60) as client:
                with client.stream("POST", CHAT, json={**HELLO, "stream": True}) as response:
                    pieces = response.iter_raw()
                    body = next(pieces)
                    os.kill(first, signal.SIGTERM)
                    while client.get("/readyz").status_code != 503:
                        time.sleep(0.01)
                    go_on.set()
                    body += b"".join(pieces)
            code = process.wait(30)

    assert body.endswith(b"data: [DONE]\n\n")
    assert code == 128 + signal.SIGTERM


def await_program(first):
    """Wait until process 1 has started the server."""
    children = Path(f"/proc/{first}/task/{first}/children")
    until(lambda: children.read_text().split())
