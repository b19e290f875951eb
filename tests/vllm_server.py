"""A real vLLM on the embedded model's weights, converted to float32. `make peers` installs it."""

import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import httpx2

__all__ = ["PEERS", "VllmServer"]

PEERS = Path(os.environ.get("HEADRACE_PEERS", ""))
"""What `make peers` built: `bin`, `hf`, `f32.gguf`. Empty in other runs of the tests."""

_OPTIONS = "--served-model-name glm-4.6 --dtype float32 --max-model-len 4096 --max-num-seqs 8 --enforce-eager"
_PARSERS = "--enable-auto-tool-choice --tool-call-parser glm45 --reasoning-parser glm45"
_ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_ENFORCE_STRICT_TOOL_CALLING": "false",  # it forces the markup of GLM-4.7 on GLM-4.6
    "VLLM_NO_USAGE_STATS": "1",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
}


class VllmServer:
    """Its log is `PEERS/vllm.log`.

    Args:
        parses: whether it parses calls and reasoning itself, for `chat`.
    """

    def __init__(self, *, parses: bool = False) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        program, model = str(PEERS / "bin" / "vllm"), str(PEERS / "hf")
        self._command = [
            program,
            "serve",
            model,
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            *_OPTIONS.split(),
            *(_PARSERS.split() if parses else ()),
        ]

    def __enter__(self) -> Self:
        path = f"{PEERS / 'bin'}:{os.environ['PATH']}"
        with (PEERS / "vllm.log").open("w") as log:
            self._process = subprocess.Popen(
                self._command,
                env={**os.environ, **_ENVIRONMENT, "PATH": path},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 300
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                msg = f"vLLM did not start; see {PEERS / 'vllm.log'}"
                raise RuntimeError(msg)
            time.sleep(1)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, 15)
        self._process.wait(60)

    def _is_ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/health", trust_env=False).status_code == 200
        except httpx2.HTTPError:
            return False

    def wait_until_idle(self, seconds: float = 20) -> float:
        """Return how many seconds it took until nothing was generated."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            metrics = httpx2.get(f"{self.url}/metrics", trust_env=False).text
            running = [line for line in metrics.splitlines() if line.startswith("vllm:num_requests_running{")]
            if running and all(line.endswith(" 0.0") for line in running):
                return time.monotonic() - began
            time.sleep(0.02)
        msg = "vLLM is still generating"
        raise AssertionError(msg)
