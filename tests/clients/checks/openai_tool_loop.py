"""A tool loop by PyPI's openai, streamed, blocking and with asyncio; prints the last answers."""

import asyncio
import json

from openai import AsyncOpenAI, OpenAI

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string", "description": "城市"}},
            "required": ["location"],
        },
    },
}
QUESTION = {"role": "user", "content": "北京天气怎么样"}
ASK = {"model": "glm-4.6", "tools": [TOOL], "temperature": 0}


def conversation(message):
    """What is sent next: the message as it came, and the result of its call."""
    assert message.role == "assistant", message
    (call,) = message.tool_calls
    assert call.type == "function", call
    assert json.loads(call.function.arguments) == {"location": "北京"}, call
    result = {"role": "tool", "tool_call_id": call.id, "content": "晴，20°C"}
    return [QUESTION, message.model_dump(), result]


def last_of(message):
    assert message.role == "assistant", message
    assert not message.tool_calls, message
    return message.content


def block(extra_body):
    client = OpenAI()
    with client.chat.completions.stream(**ASK, messages=[QUESTION], extra_body=extra_body) as stream:
        message = stream.get_final_completion().choices[0].message
    with client.chat.completions.stream(**ASK, messages=conversation(message)) as stream:
        return last_of(stream.get_final_completion().choices[0].message)


async def wait(extra_body):
    async with AsyncOpenAI() as client:
        ask = client.chat.completions.stream
        async with ask(**ASK, messages=[QUESTION], extra_body=extra_body) as stream:
            message = (await stream.get_final_completion()).choices[0].message
        async with ask(**ASK, messages=conversation(message)) as stream:
            return last_of((await stream.get_final_completion()).choices[0].message)


for extra_body in ({}, {"tool_stream": True}):
    print(block(extra_body))
    print(asyncio.run(wait(extra_body)))
