"""A program that reads events and runs tools; `mypy --strict` and pyright must report nothing."""

from typing import Any, assert_never, assert_type

from zai import AsyncStream, AsyncZaiClient, ZaiClient
from zai.types.chat import ChatCompletionChunk, Completion

client = ZaiClient(api_key="id.secret")
async_client = AsyncZaiClient(api_key="id.secret")
MESSAGES = [{"role": "user", "content": "Hello"}]


def get_weather(location: str, unit: str = "celsius") -> str:
    """Tell the weather."""
    return f"{location}: 20 {unit}"


def read_events() -> None:
    with client.chat.completions.stream(model="glm-4.6", messages=MESSAGES) as events:
        for event in events:
            if event.type == "reasoning.delta" or event.type == "content.delta":
                assert_type(event.delta, str)
            elif event.type == "reasoning.done" or event.type == "content.done":
                assert_type(event.text, str)
            elif event.type == "tool_call.start":
                print(event.index + 1, event.id.upper(), event.name.upper())
            elif event.type == "tool_call.arguments.delta":
                assert_type(event.delta, str)
                assert_type(event.parsed, Any)
            elif event.type == "tool_call.done":
                print(event.arguments.upper(), event.parsed)
            elif event.type == "usage":
                print(event.usage.total_tokens + 1)
            elif event.type == "finish":
                print(event.reason.upper())
            else:
                assert_never(event)
        assert_type(events.snapshot, Completion)


def read_texts() -> None:
    for text in client.chat.completions.stream(model="glm-4.6", messages=MESSAGES).text_stream:
        assert_type(text, str)
    answer = client.chat.completions.stream(model="glm-4.6", messages=MESSAGES).get_final_completion()
    assert_type(answer, Completion)


def run_tools() -> None:
    run = client.chat.completions.run_tools(MESSAGES, tools=[get_weather], model="glm-4.6", max_rounds=3)
    for event in run:
        if event.type == "tool_call.result":
            print(event.name.upper(), event.content.upper())
    assert_type(run.get_final_completion(), Completion)


async def read_in_asyncio() -> None:
    stream = await async_client.chat.completions.create(model="glm-4.6", messages=MESSAGES, stream=True)
    assert_type(stream, AsyncStream[ChatCompletionChunk])
    async for chunk in stream:
        print(chunk.choices[0].delta.content or "")
    answer = await async_client.chat.completions.create(model="glm-4.6", messages=MESSAGES)
    assert_type(answer, Completion)
    async with async_client.chat.completions.stream(model="glm-4.6", messages=MESSAGES) as events:
        async for text in events.text_stream:
            print(text.upper())
        assert_type(await events.get_final_completion(), Completion)
    run = async_client.chat.completions.run_tools(MESSAGES, tools=[get_weather], model="glm-4.6")
    async for event in run:
        if event.type == "tool_call.result":
            print(event.content.upper())
