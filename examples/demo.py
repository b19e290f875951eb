"""Start a server with the embedded model and stream two answers: a poem and a tool call.

The demo uses the SDK over HTTP, as a user's program does.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from headrace.cli import streams
from zai import ZaiClient

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "获取指定地点当前的天气情况",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "城市,例如:北京、上海"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["location"],
        },
    },
}


@contextmanager
def running_server() -> Iterator[str]:
    """Start a server process on a free port and yield its URL."""
    command = [sys.executable, "-m", "headrace", "serve", "--port", "0", "--log-level", "warning"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            banner = server.stdout.readline()
            if not banner.startswith("headrace: serving "):
                sys.exit(f"the server did not start: {banner or 'see above'}")
            print(banner.strip())
            yield banner.split()[2]
        finally:
            server.terminate()


def main() -> int:
    with running_server() as url, ZaiClient(api_key="demo.key", base_url=url) as client:
        show("Write a poem about spring", client)
        show("北京天气怎么样", client, tools=[WEATHER], tool_stream=True)
    return 0


def show(question: str, client: ZaiClient, **options: object) -> None:
    """Print the answer to a question while it is streamed, with `·` between the deltas of arguments."""
    print(f"\n{bold('> ' + question)}", end="")
    messages = [{"role": "user", "content": question}]
    shown = ""
    for chunk in client.chat.completions.create(model="glm-4.6", messages=messages, stream=True, **options):
        choice = chunk.choices[0]
        delta = choice.delta
        for kind, text in parts(delta):
            if kind != shown:
                print(f"\n{dim(kind)} ", end="")
                shown = kind
            print(text, end="", flush=True)
        if choice.finish_reason:
            usage = chunk.usage
            print(f"\n{dim('finish_reason')} {choice.finish_reason}")
            print(
                f"{dim('usage')} prompt {usage.prompt_tokens}, completion {usage.completion_tokens},"
                f" of which reasoning {usage.completion_tokens_details.reasoning_tokens}"
            )


def parts(delta: object) -> Iterator[tuple[str, str]]:
    """Yield the parts of a delta, each with a label."""
    if delta.reasoning_content:
        yield "thinking", delta.reasoning_content
    if delta.content:
        yield "answer", delta.content
    for call in delta.tool_calls or ():
        if call.function.name:
            yield f"tool call {call.index}: {call.function.name}", ""
        if call.function.arguments:
            yield f"tool call {call.index}: arguments", call.function.arguments + "·"


def bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if is_styled() else text


def dim(label: str) -> str:
    return f"\033[2m[{label}]\033[0m" if is_styled() else f"[{label}]"


def is_styled() -> bool:
    """Return whether the terminal supports escape codes and the user has not disabled them."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not is_plain


if __name__ == "__main__":
    sys.exit(streams.run(main))
