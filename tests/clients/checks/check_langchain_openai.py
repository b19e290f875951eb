"""`model`: a ChatOpenAI."""

from typing import Literal

import openai
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel
from questions import POEM, TOO_LONG, WEATHER

model = model.model_copy(update={"temperature": 0})


def error_of(kind, function):
    try:
        function()
    except kind as error:
        return error
    raise AssertionError(kind)


whole = model.invoke(POEM)
assert whole.usage_metadata["output_tokens"] > 20, whole
chunks = list(model.stream(POEM, stream_usage=True))
assert "".join(chunk.content for chunk in chunks) == whole.content
assert sum(chunk.usage_metadata["total_tokens"] for chunk in chunks if chunk.usage_metadata) > 20

limited = model.model_copy(update={"max_tokens": 5}).invoke(POEM)
assert limited.response_metadata["finish_reason"] == "length", limited
assert limited.usage_metadata["output_tokens"] == 5


@tool
def get_weather(location: str) -> str:
    """查询城市的天气"""
    return "晴，20°C"


for options in ({}, {"extra_body": {"tool_stream": True}}):
    with_tools = model.bind_tools([get_weather], **options)
    asked = [HumanMessage(WEATHER)]
    message = next(iter(with_tools.stream(asked)))
    for chunk in list(with_tools.stream(asked))[1:]:
        message += chunk
    (call,) = message.tool_calls
    assert call["name"] == "get_weather" and call["args"]["location"], call
    result = ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])
    assert "".join(chunk.content for chunk in with_tools.stream([*asked, message, result]))


class Season(BaseModel):
    name: Literal["spring", "summer", "autumn", "winter"]
    warm: bool


for method in ("json_schema", "function_calling"):
    plain = model.model_copy(update={"extra_body": {"thinking": {"type": "disabled"}}})
    season = plain.with_structured_output(Season, method=method).invoke("Which season is it?")
    assert isinstance(season, Season), season

error_of(ContextOverflowError, lambda: model.invoke(TOO_LONG))
unknown = error_of(openai.BadRequestError, lambda: model.model_copy(update={"model_name": "x"}).invoke(POEM))
assert 'model "x" is not served here' in str(unknown), unknown
lost = error_of(
    openai.APIError, lambda: list(model.model_copy(update={"model_name": "failing"}).stream(POEM))
)
assert "the GPU is gone" in str(lost), lost
