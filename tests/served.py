"""`headrace serve` in processes of its own, for tests, over an upstream that is part of the test."""

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import httpx2

from scripted_server import Reply, ScriptedServer, sse

__all__ = ["BODY", "Served", "part", "serving", "words", "workers_of"]

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
_MODEL = """
[models.m]
engine = "completions"
url = "{url}"
format = "text"
chat_template = '{{% for m in messages %}}{{{{ m.role }}}}{{{{ m.content }}}}{{% endfor %}}'
"""


def part(text, reason=None):
    """Encode a chunk of the upstream."""
    return sse({"choices": [{"index": 0, "text": text, "finish_reason": reason}]})


def words(number, gate=None):
    """A reply of so many words, where the first one and the rest are separated by an event."""
    texts = [part(f"word{place} ") for place in range(number)]
    waiting = [gate] if gate else []
    return Reply([texts[0], *waiting, *texts[1:], part("", "stop"), sse("[DONE]")])


def workers_of(pid):
    """The processes that a supervisor has started, in the order of their start."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Served:
    """A running server, and what it has printed."""

    def __init__(self, process):
        self.process = process
        self.logged = []
        self._changed = threading.Condition()
        self.banner = []
        self._readers = []
        for stream, lines in ((process.stdout, self.banner), (process.stderr, self.logged)):
            self._readers.append(threading.Thread(target=self._read, args=(stream, lines)))
            self._readers[-1].start()

    @property
    def url(self):
        return self.banner[0].split()[2].removesuffix("/api/paas/v4")

    def client(self, **options):
        return httpx2.Client(base_url=self.url, trust_env=False, timeout=60, **options)

    def wait_for(self, text, lines=None):
        """Wait until a line contains the text: of the log, if none are given."""
        lines = self.logged if lines is None else lines
        with self._changed:
            found = self._changed.wait_for(
                lambda: any(text in line for line in lines) or self.process.poll() is not None, 60
            )
            assert found, (text, lines)
        assert any(text in line for line in lines), (text, self.banner, self.logged)

    def wait_for_workers(self):
        self.wait_for("workers are ready", self.banner)

    def log_of(self, logger):
        """The messages of a logger."""
        name = f" {logger}: "
        return [line.partition(name)[2].strip() for line in self.logged if name in line]

    def close(self):
        self.process.kill()
        self.process.wait()
        for reader in self._readers:  # workers that outlive their supervisor have its standard error
            reader.join()

    def _read(self, stream, lines):
        with stream:
            for line in stream:
                with self._changed:
                    lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


@contextmanager
def serving(directory, *arguments, reply=None, options="", variables=None, before=()):
    """Serve the model `m` with the reply of an upstream, for a `with` block.

    Args:
        directory: gets headrace.toml, and is the working directory.
        arguments: of `headrace serve`.
        reply: of the upstream, or several in order; a word, if there is none.
        options: tables of headrace.toml beside that of the model.
        variables: of the environment.
        before: a command that runs the server.
    """
    replies = reply if isinstance(reply, tuple) else (reply or words(1),)
    with ScriptedServer(*replies) as upstream:
        (directory / "headrace.toml").write_text(options + _MODEL.format(url=upstream.url))
        place = () if "--unix-socket" in arguments else ("--port", "0")
        command = [*before, sys.executable, "-m", "headrace", "serve", *place, *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, cwd=directory, env=os.environ | (variables or {}), **pipes)
        server = Served(process)
        try:
            server.wait_for("serving", server.banner)
            yield server
        finally:
            server.close()
