"""`llm`: an OpenAILike."""

import asyncio
from typing import Literal

import openai
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from pydantic import BaseModel
from questions import POEM, TOO_LONG, WEATHER


class Season(BaseModel):
    """A season."""

    name: Literal["spring", "summer", "autumn", "winter"]
    warm: bool


def error_of(kind, function, *arguments):
    try:
        function(*arguments)
    except kind as error:
        return error
    raise AssertionError(kind)


def stream(model, question):
    return list(model.stream_chat([ChatMessage(question)]))


llm = llm.model_copy(update={"temperature": 0.0, "max_retries": 0})
whole = llm.chat([ChatMessage(POEM)])
assert whole.message.content
assert stream(llm, POEM)[-1].message.content == whole.message.content
limited = llm.model_copy(update={"max_tokens": 5}).chat([ChatMessage(POEM)])
assert limited.raw.usage.completion_tokens == 5, limited


def get_weather(location: str) -> str:
    """查询城市的天气"""
    asked.append(location)
    return "晴，20°C"


asked = []
agent = FunctionAgent(llm=llm, tools=[get_weather])


async def run():
    return str(await agent.run(WEATHER))


assert asyncio.run(run())
assert asked
plain = llm.model_copy(update={"additional_kwargs": {"extra_body": {"thinking": {"type": "disabled"}}}})
season = plain.as_structured_llm(Season).complete("Which season is it?").raw
assert isinstance(season, Season), season

assert "prompt is too long" in str(error_of(openai.BadRequestError, stream, llm, TOO_LONG))
assert "not served here" in str(
    error_of(openai.BadRequestError, stream, llm.model_copy(update={"model": "x"}), POEM)
)
lost = error_of(openai.APIError, stream, llm.model_copy(update={"model": "failing"}), POEM)
assert "the GPU is gone" in str(lost), lost
