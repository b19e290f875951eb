"""llama.cpp's own HTTP server on the embedded model, or on another one, in a separate process.

    with LlamaCppServer() as server:
        server.url          # http://127.0.0.1:…

Run as a program, this file is that process: it prints its address, and stops when its standard input ends.
"""

import subprocess
import sys
from pathlib import Path
from typing import Self

from headrace_tiny import model_path

__all__ = ["LlamaCppServer"]


class LlamaCppServer:
    """A server on a free port, or on a given one; with a projector, it accepts images."""

    def __init__(
        self,
        port: int = 0,
        slots: int = 4,
        context: int = 4096,
        model: Path = model_path(),  # noqa: B008
        projector: Path | str = "",
    ) -> None:
        command = [sys.executable, __file__, *map(str, (port, slots, context, model, projector))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        self.port = int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """As `kill -9` does."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


def main() -> None:
    import xllamacpp

    port, slots, context, model, projector = sys.argv[1:]
    params = xllamacpp.CommonParams()
    params.model.path, params.mmproj.path = model, projector
    params.port = int(port)
    params.n_parallel = int(slots)
    params.n_ctx = int(context) * params.n_parallel
    params.verbosity = -1
    params.warmup = params.ui = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    server.handle_completions(b'{"prompt":"a","max_tokens":1}', lambda _: None)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
