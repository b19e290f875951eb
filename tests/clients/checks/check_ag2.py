"""`config`: a ZAIConfig of AG2, which uses Headrace's own SDK here: whole, streamed, with a tool."""

import asyncio
from typing import Literal

import pydantic
from ag2 import Agent
from ag2.events import BaseEvent, ModelMessageChunk, ModelReasoning
from ag2.stream import MemoryStream
from questions import POEM, TOO_LONG, WEATHER

import zai
from zai.types.chat import Completion


class Season(pydantic.BaseModel):
    name: Literal["spring", "summer", "autumn", "winter"]
    warm: bool


class Saved(pydantic.BaseModel):
    answer: Completion


async def get_weather(location: str) -> str:
    """查询城市的天气"""
    asked.append(location)
    return "晴，20°C"


def record(events):
    async def append(event: BaseEvent):
        events.append(event)

    return append


async def error_of(kind, coroutine):
    try:
        await coroutine
    except kind as error:
        return error
    raise AssertionError(kind)


async def check(config):
    events = []
    stream = MemoryStream()
    stream.subscribe(record(events))
    reply = await Agent("poet", config=config).ask(POEM, stream=stream)
    usage = (await reply.usage()).total
    assert reply.body and usage.completion_tokens > 20, usage
    pieces = [event.content for event in events if isinstance(event, ModelMessageChunk)]
    assert "".join(pieces) == (reply.body if config.streaming else "")
    assert any(isinstance(event, ModelReasoning) for event in events)

    asked.clear()
    assert (await Agent("weather", config=config, tools=[get_weather]).ask(WEATHER)).body
    assert asked, "the tool was not called"

    too_long = await error_of(
        zai.core._errors.APIRequestFailedError, Agent("poet", config=config).ask(TOO_LONG)
    )
    assert too_long.response.json()["error"]["code"], too_long
    unknown = await error_of(zai.core.ZaiError, Agent("poet", config=config.copy(model="x")).ask(POEM))
    assert "not served here" in str(unknown), unknown
    return reply.body


async def main():
    config.temperature = 0
    assert await check(config) == await check(config.copy(streaming=True))


asked = []
asyncio.run(main())

answer = zai.ZaiClient(api_key=config.api_key, base_url=config.base_url).chat.completions.create(
    model="glm-4.6", messages=[{"role": "user", "content": POEM}], max_tokens=5
)
saved = Saved(answer=answer)
assert saved.answer is answer
assert Saved.model_validate_json(saved.model_dump_json()) == saved
assert "answer" in Saved.model_json_schema()["properties"]
for wrong in (5, {"choices": 5}):
    try:
        Saved(answer=wrong)
        raise AssertionError(wrong)
    except pydantic.ValidationError:
        pass
