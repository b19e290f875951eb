"""The commands of the terminal chat, such as `/model`."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from headrace.cli.chat.conversation import Conversation
from headrace.cli.chat.tools_file import load_tools
from headrace.errors import RequestError

__all__ = ["COMMANDS", "run_command"]


class _Command(NamedTuple):
    argument: str
    """The placeholder of the argument; in brackets if it is optional."""
    summary: str
    run: Callable[[Conversation, str], str]
    """Returns what is shown."""


def _model(conversation: Conversation, name: str) -> str:
    if name:
        conversation.model = name
    return f"model: {conversation.model}"


def _think(conversation: Conversation, state: str) -> str:
    if state not in ("", "on", "off"):
        raise RequestError(f"/think: {state!r} is neither on nor off")
    conversation.thinking = state == "on" if state else not conversation.thinking
    return f"thinking: {'on' if conversation.thinking else 'off'}"


def _tools(conversation: Conversation, file: str) -> str:
    conversation.tools = load_tools(Path(file).expanduser()) if file else ()
    return f"tools: {', '.join(tool.__name__ for tool in conversation.tools) or 'none'}"


def _save(conversation: Conversation, file: str) -> str:
    conversation.save(Path(file).expanduser())
    return f"saved {len(conversation.messages)} messages in {file}"


def _load(conversation: Conversation, file: str) -> str:
    conversation.load(Path(file).expanduser())
    return f"loaded {len(conversation.messages)} messages; model: {conversation.model}"


def _new(conversation: Conversation, _: str) -> str:
    conversation.clear()
    return "a new conversation"


def _help(_: Conversation, __: str) -> str:
    rows = [(f"/{name} {command.argument}", command.summary) for name, command in COMMANDS.items()]
    keys = [("Ctrl-C", "stop the answer"), ("Ctrl-D", "quit")]
    return "\n".join(f"{left:16} {right}" for left, right in (*rows, *keys))


COMMANDS: Final = {
    "model": _Command("[NAME]", "show or set the model", _model),
    "think": _Command("[on|off]", "switch the model's thinking", _think),
    "tools": _Command("[FILE.py]", "let the model call the functions of a Python file, or none", _tools),
    "save": _Command("FILE", "save the conversation", _save),
    "load": _Command("FILE", "continue a saved conversation", _load),
    "new": _Command("", "start a new conversation", _new),
    "help": _Command("", "show the commands", _help),
}


def run_command(conversation: Conversation, line: str) -> str:
    """Run a line that starts with `/` and return what to show.

    Raises:
        RequestError: there is no such command, its argument is wrong, or it fails.
    """
    name, _, argument = line[1:].strip().partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        raise RequestError(f"there is no command /{name}; /help lists the commands")
    argument = argument.strip()
    if not argument and command.argument and not command.argument.startswith("["):
        raise RequestError(f"/{name}: {command.argument} is missing")
    if argument and not command.argument:
        raise RequestError(f"/{name} takes no argument; remove {argument!r}")
    return command.run(conversation, argument)
