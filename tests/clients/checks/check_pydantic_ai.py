"""`models`: an OpenAIChatModel and a ZaiModel."""

import asyncio
from typing import Literal

from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.exceptions import ModelAPIError, ModelContextWindowExceededError, ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel
from questions import POEM, TOO_LONG, WEATHER


class Season(BaseModel):
    name: Literal["spring", "summer", "autumn", "winter"]
    warm: bool


def get_weather(location: str) -> str:
    """查询城市的天气"""
    asked.append(location)
    return "晴，20°C"


async def check(model):
    agent = Agent(model, model_settings={"temperature": 0})
    whole = await agent.run(POEM)
    assert whole.output
    assert whole.usage.output_tokens > 20, whole.usage
    assert whole.response.thinking, whole.response
    async with agent.run_stream(POEM) as stream:
        assert await stream.get_output() == whole.output
        assert stream.usage.output_tokens == whole.usage.output_tokens

    limited = await agent.run(POEM, model_settings={"max_tokens": 5, **OFF})
    assert limited.response.finish_reason == "length", limited.response
    assert limited.usage.output_tokens == 5

    asked.clear()
    with_tool = Agent(model, tools=[get_weather], model_settings={"temperature": 0})
    assert (await with_tool.run(WEATHER)).output
    assert asked

    kinds = [Season, NativeOutput(Season)] if type(model) is OpenAIChatModel else [Season]
    for kind in kinds:
        season = await Agent(model, output_type=kind, model_settings={"temperature": 0, **OFF}).run(
            "Which season is it?"
        )
        assert isinstance(season.output, Season), season

    await raises(ModelContextWindowExceededError, agent.run(TOO_LONG))
    unknown = await raises(ModelHTTPError, Agent(type(model)("x", provider=model._provider)).run(POEM))
    assert 'model "x" is not served here' in str(unknown), unknown
    if type(model) is OpenAIChatModel:
        failing = Agent(OpenAIChatModel("failing", provider=model._provider))
        await raises(ModelAPIError, drain(failing))


async def drain(agent):
    async with agent.run_stream(POEM) as stream:
        await stream.get_output()


async def raises(kind, call):
    try:
        await call
    except kind as error:
        return error
    raise AssertionError(kind)


async def check_all():
    for model in models:
        await check(model)


OFF = {"thinking": False, "extra_body": {"thinking": {"type": "disabled"}}}
asked = []
asyncio.run(check_all())
