"""The commands of the terminal chat."""

import pytest

from headrace.cli.chat.commands import COMMANDS, run_command
from headrace.cli.chat.conversation import Conversation
from headrace.errors import RequestError
from zai import AsyncZaiClient


@pytest.fixture
async def conversation():
    async with AsyncZaiClient(api_key="id.secret", base_url="http://127.0.0.1:9/v1") as client:
        yield Conversation(client, "m", system="Be brief")


def test_the_model_and_its_thinking_are_shown_and_set(conversation):
    assert run_command(conversation, "/model") == "model: m"
    assert run_command(conversation, "/model other") == "model: other"
    assert run_command(conversation, "/think off") == "thinking: off"
    assert run_command(conversation, "/think") == "thinking: on"
    assert (conversation.model, conversation.thinking) == ("other", True)


def test_tools_are_loaded_and_removed(conversation, tmp_path):
    (tmp_path / "t.py").write_text("def _hidden(): ...\ndef add(a: int, b: int) -> int:\n    return a + b\n")

    assert run_command(conversation, f"/tools {tmp_path}/t.py") == "tools: add"
    assert conversation.tools[0](1, 2) == 3
    assert run_command(conversation, "/tools") == "tools: none"


def test_a_saved_conversation_is_loaded_again_and_a_new_one_has_the_system_message(conversation, tmp_path):
    conversation.messages += [{"role": "user", "content": "中"}, {"role": "assistant", "content": "x"}]
    before = list(conversation.messages)
    run_command(conversation, f"/save {tmp_path}/c.json")
    run_command(conversation, "/new")
    assert conversation.messages == [{"role": "system", "content": "Be brief"}]

    conversation.model = "other"
    assert run_command(conversation, f"/load {tmp_path}/c.json") == "loaded 3 messages; model: m"
    assert conversation.messages == before


def test_help_lists_every_command(conversation):
    shown = run_command(conversation, "/help")

    assert all(f"/{name} " in shown for name in COMMANDS)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/", "there is no command /;"),
        ("/modle x", "there is no command /modle"),
        ("/save", "/save: FILE is missing"),
        ("/new x", "remove 'x'"),
        ("/think maybe", "neither on nor off"),
        ("/load /nowhere/x", "no such file"),
        ("/save /nowhere/x", "cannot write"),
        ("/load {damaged}", "is not a conversation"),
    ],
)
def test_a_wrong_command_is_an_error_and_changes_nothing(conversation, tmp_path, line, message):
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b'{"model": 1, \xff')
    before = list(conversation.messages)

    with pytest.raises(RequestError, match=message):
        run_command(conversation, line.replace("{damaged}", str(damaged)))
    assert conversation.messages == before
