"""`model`: an OpenAIChatCompletionsModel."""

import asyncio
from typing import Literal

import openai
from agents import Agent, ModelSettings, Runner, function_tool
from pydantic import BaseModel
from questions import POEM, TOO_LONG, WEATHER

GREEDY = ModelSettings(temperature=0, include_usage=True)
OFF = {"thinking": {"type": "disabled"}}
asked = []


class Season(BaseModel):
    name: Literal["spring", "summer", "autumn", "winter"]
    warm: bool


@function_tool
def get_weather(location: str) -> str:
    """查询城市的天气"""
    asked.append(location)
    return "晴，20°C"


def agent(**options):
    return Agent(name="Helper", **{"model": model, "model_settings": GREEDY, **options})


async def stream(agent, question):
    running = Runner.run_streamed(agent, question)
    async for _ in running.stream_events():
        pass
    return running.final_output


async def check():
    whole = await Runner.run(agent(), POEM)
    assert whole.final_output
    assert whole.context_wrapper.usage.output_tokens > 20
    assert await stream(agent(), POEM) == whole.final_output

    limited = await Runner.run(agent(model_settings=ModelSettings(max_tokens=5, extra_body=OFF)), POEM)
    assert limited.context_wrapper.usage.output_tokens == 5

    for settings in (GREEDY, ModelSettings(temperature=0, extra_body={"tool_stream": True})):
        asked.clear()
        assert await stream(agent(tools=[get_weather], model_settings=settings), WEATHER)
        assert asked

    season = await Runner.run(
        agent(output_type=Season, model_settings=ModelSettings(temperature=0, extra_body=OFF)),
        "Which season is it?",
    )
    assert isinstance(season.final_output, Season), season

    error = await error_of(openai.BadRequestError, Runner.run(agent(), TOO_LONG))
    assert error.code == "1261" and "prompt is too long" in error.message, error
    for name, kind, words in (
        ("x", openai.BadRequestError, "not served here"),
        ("failing", openai.APIError, "the GPU is gone"),
    ):
        other = type(model)(model=name, openai_client=client)
        assert words in str(await error_of(kind, stream(agent(model=other), POEM)))


async def error_of(kind, call):
    try:
        await call
    except kind as error:
        return error
    raise AssertionError(kind)


asyncio.run(check())
