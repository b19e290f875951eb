"""PyPI's openai accumulates a stream of thinking, text and several calls to the same message as without a stream."""

from openai import OpenAI

WEATHER = {"type": "object", "properties": {"location": {"type": "string"}}}
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}},
    {
        "type": "function",
        "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}},
    },
]
ASK = {"model": "calls", "messages": [{"role": "user", "content": "Weather and time?"}], "tools": TOOLS}


def plain(answer):
    """All of it but the ids and the time, which two answers never share."""
    whole = answer.model_dump(exclude={"id", "created", "request_id"})
    (choice,) = whole["choices"]
    choice["message"].pop("parsed", None)
    for call in choice["message"]["tool_calls"] or ():
        assert call.pop("id").startswith("call_")
        call["function"].pop("parsed_arguments", None)
    return whole


client = OpenAI()
expected = plain(client.chat.completions.create(**ASK))
assert len(expected["choices"][0]["message"]["tool_calls"]) == 3, expected
for tool_stream in (False, True):
    with client.chat.completions.stream(**ASK, extra_body={"tool_stream": tool_stream}) as stream:
        final = stream.get_final_completion()
    assert len({call.id for call in final.choices[0].message.tool_calls}) == 3, final
    assert plain(final) == expected, (plain(final), expected)
