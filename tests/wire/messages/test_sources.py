"""An error about a translated request, however late it is found, names the field of the client."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import RequestError
from headrace.wire.messages import decode_message_request
from headrace.wire.messages.errors import error_of

IMAGE = {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


@st.composite
def requests(draw):
    """A request whose texts are all different."""
    count = iter(range(1000))

    def text():
        return {"type": "text", "text": f"text {next(count)}."}

    def content():
        kinds = draw(st.lists(st.sampled_from([text, text, lambda: IMAGE]), min_size=1, max_size=3))
        return [kind() for kind in kinds]

    messages = []
    for _ in range(draw(st.integers(1, 3))):
        messages.append({"role": "user", "content": content()})
        if draw(st.booleans()):
            messages.append({"role": "system", "content": [text()]})
        calls = [f"c{next(count)}" for _ in range(draw(st.integers(0, 3)))]
        blocks = [{"type": "tool_use", "id": id, "name": "f", "input": {}} for id in calls]
        messages.append({"role": "assistant", "content": [text(), *blocks]})
        results = [
            {"type": "tool_result", "tool_use_id": id, "content": content()}
            for id in draw(st.permutations(calls))
        ]
        further = draw(st.sampled_from([[], content()]))
        messages.append({"role": "user", "content": [*results, *further] or content()})
    names = draw(st.permutations(["f", "g", "web_search", "later"]))
    tools = [
        SEARCH
        if name == "web_search"
        else {"name": name, "input_schema": {"title": name}, "defer_loading": name == "later"}
        for name in names
    ]
    reference = {"type": "tool_reference", "tool_name": "later"}
    for message in messages:
        for block in message["content"]:
            if block["type"] == "tool_result" and draw(st.booleans()):
                block["content"].append(reference)
    return {
        "model": "m",
        "max_tokens": 5,
        "messages": messages,
        "tools": tools,
        **draw(st.sampled_from([{}, {"system": [text()]}])),
    }


def named(sources, message):
    """The path that an error begins with after it was renamed."""
    error = RequestError(f"{message}: no")
    sources.rename(error)
    return error_of(error)["message"].removesuffix(": no")


def at(request, path):
    """The value at a path such as `messages.0.content`."""
    for key in path.split("."):
        request = request[int(key) if key.isdigit() else key]
    return request


@given(requests())
def test_every_message_part_and_tool_is_named_by_the_clients_path(request):
    chat, sources, _ = decode_message_request(json.dumps(request).encode())

    for index, message in enumerate(chat.messages):
        content = named(sources, f"messages[{index}].content")
        sent = json.dumps(at(request, content))
        assert all(text in sent for text in re.findall(r"text \d+\.", message.text))
        assert content.startswith(named(sources, f"messages[{index}].role").removesuffix(".role"))
        for part in message.images:
            assert at(request, named(sources, f"messages[{index}].content[{part}]")) == IMAGE
    for index, tool in enumerate(chat.tools):
        path = named(sources, f"tools[{index}].function.parameters")
        assert at(request, path) == {"title": tool["function"]["name"]} == tool["function"]["parameters"]


@pytest.mark.parametrize("message", ["model m is loading", "messages[7].content", "tools[7].function.name"])
def test_other_errors_stay_as_they_are(message):
    request = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "a"}]}
    assert named(decode_message_request(json.dumps(request).encode()).sources, message) == message
