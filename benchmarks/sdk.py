"""The SDK compared with PyPI's zai-sdk and openai: CPU per chunk, import time, memory.

    python benchmarks/sdk.py [--zai-sdk VENV] [--openai VENV] [--chunks 20000] [--rounds 5]

Each peer has a virtual environment, which is created with its newest version if it does not exist. The
server is a separate process that sends a stream in writes of 64 kB ("bulk"), or with one write and one HTTP
chunk per event ("event"). The clients alternate. CPU time is that of the client process (user and system)
from the request to the end of the stream, after a first request for warm-up.
"""

import argparse
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path

CLIENTS = ("zai-sdk", "openai", "ours", "ours, async")
MODES = ("bulk", "event")
CLIENTS_FOLDER = Path(".venv-clients")
BULK_BYTES = 65536
CHUNK = (
    '{"id":"20260313050448e162ecc8207a4c47","created":1773349488,"object":"chat.completion.chunk",'
    '"model":"glm-4.6","choices":[{"index":0,"delta":{"role":"assistant","content":" word%d"}}]}'
)
FINISH = (
    '{"id":"20260313050448e162ecc8207a4c47","created":1773349488,"object":"chat.completion.chunk",'
    '"model":"glm-4.6","choices":[{"index":0,"finish_reason":"stop","delta":{"role":"assistant","content":""}}],'
    '"usage":{"prompt_tokens":275,"completion_tokens":20000,"total_tokens":20275,'
    '"prompt_tokens_details":{"cached_tokens":43},"completion_tokens_details":{"reasoning_tokens":64}}}'
)


# --- the server: raw sockets, everything prepared ----------------------------------------------------


def serve(chunks: int) -> None:
    """Print the port, then serve `/bulk/…` and `/event/…`."""
    frames = [f"data: {CHUNK % number}\n\n".encode() for number in range(chunks)]
    frames += [f"data: {FINISH}\n\n".encode(), b"data: [DONE]\n\n"]
    whole = b"".join(frames)
    pieces = [whole[at : at + BULK_BYTES] for at in range(0, len(whole), BULK_BYTES)]
    writes = {"bulk": pieces, "event": frames}
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=answer, args=(connection, writes), daemon=True).start()


def answer(connection: socket.socket, writes: dict[str, list[bytes]]) -> None:
    with connection:
        while request := connection.recv(65536):
            if b"POST" not in request:
                continue  # the rest of a body
            mode = request.split(b" ", 2)[1].split(b"/")[1].decode()
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            connection.sendall(head)
            for piece in writes[mode]:
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            connection.sendall(b"0\r\n\r\n")


# --- the clients: this file again, run by each environment's own interpreter ------------------------


def measure(client: str, url: str) -> None:
    """Read the stream twice; print the figures of the second time."""
    read = {"zai-sdk": read_zai, "ours": read_zai, "openai": read_openai, "ours, async": read_async}[client]
    print(json.dumps(read(url)))


REQUEST = {"model": "glm-4.6", "messages": [{"role": "user", "content": "Hello"}], "stream": True}


def read_zai(url: str) -> dict[str, float]:
    from zai import ZaiClient

    return read_twice(ZaiClient(api_key="id.secret", base_url=url))


def read_openai(url: str) -> dict[str, float]:
    from openai import OpenAI

    return read_twice(OpenAI(api_key="id.secret", base_url=url))


def read_twice(client: object) -> dict[str, float]:
    for _ in range(2):
        start = time.process_time()
        count = size = 0
        for chunk in client.chat.completions.create(**REQUEST):
            count += 1
            size += len(chunk.choices[0].delta.content)
        cpu = time.process_time() - start
    return {"cpu": cpu, "count": count, "size": size, "rss": peak_mb()}


def read_async(url: str) -> dict[str, float]:
    import asyncio

    from zai import AsyncZaiClient

    async def main() -> dict[str, float]:
        async with AsyncZaiClient(api_key="id.secret", base_url=url) as client:
            for _ in range(2):
                start = time.process_time()
                count = size = 0
                async for chunk in await client.chat.completions.create(**REQUEST):
                    count += 1
                    size += len(chunk.choices[0].delta.content)
                cpu = time.process_time() - start
        return {"cpu": cpu, "count": count, "size": size, "rss": peak_mb()}

    return asyncio.run(main())


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- the run ----------------------------------------------------------------------------------------


def main() -> None:
    options = parse_options()
    pythons = {
        "zai-sdk": python_in(options.zai_sdk, "zai-sdk"),
        "openai": python_in(options.openai, "openai"),
        "ours": options.ours,
        "ours, async": options.ours,
    }
    for client in ("zai-sdk", "openai"):
        print(f"{client} {version_of(pythons[client], client)}", end=", ")
    print(f"Python {sys.version.split()[0]}, {options.chunks} chunks, {options.rounds} rounds\n")
    command = [sys.executable, __file__, "--serve", str(options.chunks)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            print_speed(pythons, int(server.stdout.readline()), options)
        finally:
            server.terminate()
    print_imports(pythons, options.rounds)


def print_speed(pythons: dict[str, str], port: int, options: argparse.Namespace) -> None:
    taken: dict[tuple[str, str], list[float]] = {}
    memory: dict[str, float] = {}
    for _ in range(options.rounds):
        for mode in MODES:
            for client, python in pythons.items():
                url = f"http://127.0.0.1:{port}/{mode}"
                result = run_json(python, __file__, "--client", client, url)
                assert result["count"] == options.chunks + 1, (client, result)
                taken.setdefault((client, mode), []).append(result["cpu"] / result["count"] * 1e6)
                memory[client] = max(memory.get(client, 0), result["rss"])
    print(
        "| client | "
        + " | ".join(f"{mode} µs a chunk, min / median | x zai-sdk | x openai" for mode in MODES),
        end="",
    )
    print(" | peak MB |\n|" + "---|" * (2 + 3 * len(MODES)))
    for client in CLIENTS:
        cells = []
        for mode in MODES:
            own = min(taken[client, mode])
            cells.append(f"{own:.2f} / {statistics.median(taken[client, mode]):.2f}")
            cells += [f"{min(taken[peer, mode]) / own:.1f}" for peer in ("zai-sdk", "openai")]
        print(f"| {client} | {' | '.join(cells)} | {memory[client]:.0f} |")


def print_imports(pythons: dict[str, str], rounds: int) -> None:
    print("\n| import | CPU ms over bare Python, min | peak MB |\n|---|---|---|")
    rows = [
        ("zai-sdk", "import zai"),
        ("openai", "import openai"),
        ("ours", "import zai"),
        ("ours", "import zai; zai.ZaiClient(api_key='id.secret').http_client"),
    ]
    for client, code in rows:
        spent = [import_cost(pythons[client], code) for _ in range(rounds)]
        bare = [import_cost(pythons[client], "pass") for _ in range(rounds)]
        cpu = (min(spent)[0] - min(bare)[0]) * 1e3
        print(f"| {client}: `{code}` | {cpu:.0f} | {min(size for _, size in spent):.0f} |")


def import_cost(python: str, code: str) -> tuple[float, float]:
    """Return the CPU seconds and the peak memory in MB of a process that runs `code`."""
    code += (
        ";import json,resource;u=resource.getrusage(resource.RUSAGE_SELF);"
        "print(json.dumps([u.ru_utime+u.ru_stime,u.ru_maxrss/1024]))"
    )
    cpu, size = run_json(python, "-c", code)
    return cpu, size


def run_json(*command: str) -> dict[str, float]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment())
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}


def python_in(folder: Path, package: str) -> str:
    """Return the interpreter of an environment; create it with the package if it does not exist."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", package], check=True)
    return str(python)


def version_of(python: str, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--zai-sdk", type=Path, default=CLIENTS_FOLDER / "zai-sdk", help="its environment")
    parser.add_argument("--openai", type=Path, default=CLIENTS_FOLDER / "openai", help="its environment")
    parser.add_argument("--ours", default=sys.executable, help="the interpreter that has headrace-zai")
    parser.add_argument("--chunks", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(int(sys.argv[2]))
    elif sys.argv[1] == "--client":
        measure(sys.argv[2], sys.argv[3])
    else:
        main()
