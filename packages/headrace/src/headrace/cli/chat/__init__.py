"""`headrace chat`: chat with a model in the terminal, or answer one message for a pipe."""

import argparse
import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from headrace.cli.chat import pipe, terminal
from headrace.cli.chat.conversation import Conversation
from headrace.cli.chat.tools_file import load_tools
from headrace.errors import RequestError
from zai import APIConnectionError, APIStatusError, AsyncZaiClient, ZaiError

__all__ = ["add_parser"]

_LOCAL: Final = "http://127.0.0.1:8000/api/paas/v4"
_DEFAULT_MODEL: Final = "glm-4.6"


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "chat",
        description="Chat with a model in the terminal. The server can be Headrace, api.z.ai, or any other"
        " with their API or OpenAI's. The API key is read from ZAI_API_KEY. With -p, the exit status is 0 for"
        " a complete answer, 3 if it was cut off at a length limit, 4 if a content filter ended it, 5 if the"
        " model failed, and 1 for any other error.",
    )
    text = "answer this message and exit: its content is printed to the standard output, and everything else"
    text += " to stderr; - reads the message from the standard input (default: an interactive chat)"
    parser.add_argument("-p", "--prompt", metavar="TEXT", help=text)
    text = f"base URL of the server (default: ZAI_BASE_URL, or else {_LOCAL})"
    parser.add_argument("--base-url", metavar="URL", help=text)
    text = f"name of the model (default: {_DEFAULT_MODEL} if the server has it, or else its first one)"
    parser.add_argument("--model", metavar="NAME", help=text)
    parser.add_argument("--system", metavar="TEXT", default="", help="system message (default: none)")
    text = "Python file whose functions the model can call (default: none)"
    parser.add_argument("--tools", metavar="FILE", type=Path, help=text)
    text = "disable the model's thinking (default: it is enabled)"
    parser.add_argument("--no-thinking", action="store_true", help=text)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    is_interactive = arguments.prompt is None
    if is_interactive and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise RequestError(
            "headrace chat needs a terminal; for one answer without one: headrace chat -p TEXT"
        )
    question = sys.stdin.read() if arguments.prompt == "-" else arguments.prompt or ""
    if not is_interactive and not question.strip():
        raise RequestError("-p: the message is empty")
    url = arguments.base_url or os.environ.get("ZAI_BASE_URL") or _LOCAL
    try:
        return asyncio.run(_chat(arguments, url, question))
    except APIConnectionError as error:
        hint = "start a server with `headrace serve`, or set --base-url"
        raise RequestError(f"{url}: {error}; {hint}") from None
    except ZaiError as error:
        raise RequestError(str(error)) from None


async def _chat(arguments: argparse.Namespace, url: str, question: str) -> int:
    tools = load_tools(arguments.tools) if arguments.tools else ()
    needs_key = urlsplit(url).hostname not in ("127.0.0.1", "::1", "localhost")
    key = os.environ.get("ZAI_API_KEY") or (None if needs_key else "none")
    async with AsyncZaiClient(api_key=key, base_url=url) as client:
        conversation = Conversation(
            client,
            arguments.model or await _find_model(client),
            system=arguments.system,
            thinking=not arguments.no_thinking,
            tools=tools,
        )
        mode: Coroutine[Any, Any, int] = (
            pipe.answer(conversation, question) if question else terminal.chat(conversation)
        )
        return await mode


async def _find_model(client: AsyncZaiClient) -> str:
    try:
        names = [model.id for model in (await client.models.list()).data or ()]
    except APIStatusError as error:
        if error.status_code != 404:
            raise
        names = []  # not every server lists its models
    return _DEFAULT_MODEL if _DEFAULT_MODEL in names or not names else names[0]
