import json

import pytest

from headrace.errors import RequestError
from headrace.models.size_limits import BYTES_PER_TOKEN, check_request
from headrace.wire import decode_request

CONTEXT = 100
CALL = {"function": {"name": "f", "arguments": "{}"}}


def request(*messages, **fields):
    return decode_request(json.dumps({"model": "m", "messages": messages, **fields}).encode())


def user(content):
    return {"role": "user", "content": content}


TOO_LARGE = [
    [user("a")] * (CONTEXT + 1),
    [user([{"type": "text", "text": ""}] * (CONTEXT + 1))],
    [user("a"), {"role": "assistant", "tool_calls": [CALL] * (CONTEXT + 1)}],
    [user("a" * (CONTEXT * BYTES_PER_TOKEN + 1))],
    [user("a"), {"role": "assistant", "reasoning_content": "a" * (CONTEXT * BYTES_PER_TOKEN + 1)}],
]


@pytest.mark.parametrize("messages", TOO_LARGE)
def test_what_cannot_fit_into_the_context_is_1261(messages):
    check_request(request(*messages), 0)  # unknown
    check_request(request(*messages), 10 * CONTEXT)
    with pytest.raises(RequestError, match=str(CONTEXT)) as caught:
        check_request(request(*messages), CONTEXT)

    assert caught.value.code == "1261"


def test_an_image_counts_as_a_part_but_not_its_data():
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * 10_000}"}}

    check_request(request(user([image] * CONTEXT)), CONTEXT + 1)
    with pytest.raises(RequestError, match="parts"):
        check_request(request(user([image] * CONTEXT)), CONTEXT)


def test_tools_count_as_well():
    tool = {"type": "function", "function": {"name": "f", "description": "a" * CONTEXT * BYTES_PER_TOKEN}}
    with pytest.raises(RequestError, match="tools"):
        check_request(request(user("a"), tools=[tool]), CONTEXT)


def test_variables_of_the_chat_template_count_as_well():
    variables = {"documents": ["a" * CONTEXT * BYTES_PER_TOKEN]}
    with pytest.raises(RequestError, match="chat_template_kwargs") as caught:
        check_request(request(user("a"), chat_template_kwargs=variables), CONTEXT)

    assert caught.value.code == "1261"
