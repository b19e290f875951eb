"""A request leaves nothing to the garbage collector but its parsers: its memory is free when it ends."""

import asyncio
import gc
import platform
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager

import httpx2
import pytest

from headrace.engines import ScriptedEngine
from headrace.errors import EngineError
from headrace.events import Text
from wire_client import CHAT, HELLO

STREAM = {**HELLO, "stream": True}
OF_PARSERS = ("headrace.parsing.", "headrace.wire.schema_references.")
RESUMABLE = {"x-headrace-resumable": "1"}
ASYNC = CHAT.replace("chat/completions", "async/chat/completions")


class Failing(ScriptedEngine):
    """Fails, after its first event if there is one."""

    def __init__(self, *events):
        super().__init__("")
        self._events = list(events)

    def start(self, generation, listener):
        loop = asyncio.get_running_loop()
        if self._events:
            loop.call_soon(listener.on_events, list(self._events))
        loop.call_soon(self._fail, listener)
        return super().start(generation, _Deaf())

    def _fail(self, listener):
        try:
            raise EngineError("out of memory")  # noqa: TRY301 - with a traceback
        except EngineError as error:
            listener.on_end(error)


class _Deaf:
    def on_events(self, events):
        pass

    def on_end(self, error):
        pass


def leave_stream(client):
    with client.stream("POST", CHAT, json=STREAM) as response:
        next(response.iter_raw())


def leave(client):
    with pytest.raises(httpx2.ReadTimeout):
        client.post(CHAT, json=HELLO, timeout=0.05)


REQUESTS = {
    "a stream": (ScriptedEngine("Hi"), lambda client: client.post(CHAT, json=STREAM)),
    "a completion": (ScriptedEngine("Hi"), lambda client: client.post(CHAT, json=HELLO)),
    "a resumable stream": (
        ScriptedEngine("Hi"),
        lambda client: client.post(CHAT, json=STREAM, headers=RESUMABLE),
    ),
    "an asynchronous one": (ScriptedEngine("Hi"), lambda client: client.post(ASYNC, json=HELLO)),
    "an invalid field": (
        ScriptedEngine("Hi"),
        lambda client: client.post(CHAT, json={**HELLO, "temperature": 9}),
    ),
    "a large body": (
        ScriptedEngine("Hi"),
        lambda client: client.post(CHAT, json={**HELLO, "top_k": "x" * 10_000}),
    ),
    "an early failure": (Failing(), lambda client: client.post(CHAT, json=STREAM)),
    "a late failure": (Failing(Text("a")), lambda client: client.post(CHAT, json=STREAM)),
    "a disconnect": (ScriptedEngine("a" * 1000, delay=0.01), leave_stream),
    "a disconnect before the end": (
        ScriptedEngine("a" * 1000, delay=0.01),
        leave,
    ),
}


@contextmanager
def collected():
    """Count what only the garbage collector frees, by type."""
    found = Counter()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        time.sleep(0.1)  # the server's thread is done
        gc.collect()
        found.update(f"{type(garbage).__module__}.{type(garbage).__qualname__}" for garbage in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize(("engine", "send"), REQUESTS.values(), ids=REQUESTS)
def test_a_request_leaves_no_cycle(serve, engine, send):
    client = serve(engine)
    send(client)
    with collected() as found:
        for _ in range(3):
            send(client)

    ours = {name: number for name, number in found.items() if name.startswith(("headrace.", "uvicorn."))}
    assert {name for name in ours if not name.startswith(OF_PARSERS)} == set()


ARENAS = """
import ctypes, re, sys, tempfile, threading
from headrace.server.memory import limit_arenas

limit_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
libc.fclose.argtypes = [ctypes.c_void_p]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
together = threading.Barrier(8)
threads = [threading.Thread(target=lambda: (libc.malloc(1000), together.wait())) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with tempfile.NamedTemporaryFile() as file:
    info = libc.fopen(file.name.encode(), b"w")
    libc.malloc_info(0, info)
    libc.fclose(info)
    print(file.read().count(b"<heap nr="))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are glibc's")
def test_threads_share_two_arenas_of_memory():
    command = [sys.executable, "-c", ARENAS]
    counted = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert int(counted.stdout) == 2
