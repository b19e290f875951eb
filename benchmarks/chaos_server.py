"""The servers of `chaos.py`: a replica that is slow enough to be interrupted, and the upstream.

python benchmarks/chaos_server.py replica --engine llama --store sqlite:turns.db --port 8001
python benchmarks/chaos_server.py upstream --port 8002
"""

import argparse
import asyncio
import contextlib
import logging
import signal
import threading

import msgspec

from headrace.engines import Engine, Generation, Listener, Run
from headrace.errors import HeadraceError
from headrace.events import Event
from headrace.models.loading import load_model
from headrace.models.settings import CompletionsSettings, LlamaSettings
from headrace.server import App, ModelRegistry, Settings
from headrace.server.local import listen, run
from headrace.turns import TurnSettings
from headrace_tiny import model_path


class Paced:
    """Slows an engine to one event every `pace` seconds; the embedded model would finish before the kill."""

    def __init__(self, engine: Engine, pace: float) -> None:
        self._engine = engine
        self._pace = pace

    @property
    def continues(self) -> bool:
        return self._engine.continues

    def token_limit(self, generation: Generation) -> int | None:
        return self._engine.token_limit(generation)

    def start(self, generation: Generation, listener: Listener) -> Run:
        paced = _PacedListener(listener, self._pace)
        paced.run = self._engine.start(generation, paced)
        return paced

    async def check(self) -> None:
        await self._engine.check()

    async def close(self) -> None:
        await self._engine.close()


class _PacedListener:
    """Forwards one event every `pace` seconds, and then the end."""

    run: Run

    def __init__(self, listener: Listener, pace: float) -> None:
        self._listener = listener
        self._pace = pace
        self._events: list[Event] = []
        self._end: list[HeadraceError | None] = []
        asyncio.get_running_loop().call_later(pace, self._next)

    def on_events(self, events: list[Event]) -> None:
        self._events += events

    def on_end(self, error: HeadraceError | None) -> None:
        self._end.append(error)

    def stop(self) -> None:
        self._events.clear()
        self.run.stop()

    def pause(self) -> None:
        self.run.pause()

    def resume(self) -> None:
        self.run.resume()

    def _next(self) -> None:
        if self._events:
            self._listener.on_events([self._events.pop(0)])
        elif self._end:
            self._listener.on_end(self._end[0])
            return
        asyncio.get_running_loop().call_later(self._pace, self._next)


def serve_replica(arguments: argparse.Namespace) -> None:
    """Serve until killed."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    if arguments.engine == "llama":
        model = load_model("", LlamaSettings(slots=16))
    else:
        upstream = CompletionsSettings(
            url=(arguments.upstream,),
            chat_template=str(model_path()),
            dialect="llama.cpp",
            aliases=("headrace-tiny",),
        )
        model = load_model("glm-4.6", upstream)
    model = msgspec.structs.replace(model, engine=Paced(model.engine, arguments.pace))
    turns = TurnSettings(store=arguments.store, lease=arguments.lease, store_retry_timeout=20.0, linger=20.0)
    settings = Settings(port=arguments.port, turns=turns, shutdown_timeout=1, keep_alive_interval=2.0)
    with listen(settings.host, settings.port) as listener:
        run(App(ModelRegistry([model]), settings), listener, settings)


def serve_upstream(arguments: argparse.Namespace) -> None:
    """Run llama.cpp's own server with the embedded model, as upstream of a `completions` engine."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model_path())
    params.n_parallel = 16
    params.n_ctx = 16 * 4096
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.hostnames = ["127.0.0.1"]
    params.port = arguments.port
    params.verbosity = -1
    params.ui = False
    params.cache_ram_mib = 64
    server = xllamacpp.Server(params)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    stopped.wait()
    del server


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["replica", "upstream"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--engine", choices=["llama", "completions"], default="llama")
    parser.add_argument("--upstream", default="", help="URL of the completions engine's server")
    parser.add_argument("--store", default="memory")
    parser.add_argument("--lease", type=float, default=1.0)
    parser.add_argument("--pace", type=float, default=0.02, help="seconds a piece")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        serve_replica(arguments) if arguments.what == "replica" else serve_upstream(arguments)


if __name__ == "__main__":
    main()
