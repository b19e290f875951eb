"""`client`: PyPI's anthropic."""

from typing import Literal

import anthropic
from anthropic import beta_tool
from pydantic import BaseModel
from questions import POEM, TOO_LONG, WEATHER

TOOL = {
    "name": "get_weather",
    "description": "查询城市的天气",
    "input_schema": {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "城市"}},
        "required": ["location"],
    },
}
THINKING = {"type": "enabled", "budget_tokens": 1024}


class Season(BaseModel):
    name: Literal["spring", "summer", "autumn", "winter"]
    warm: bool


def asked(question=POEM, model="glm-4.6", **options):
    messages = [{"role": "user", "content": question}]
    return {
        "model": model,
        "max_tokens": 2000,
        "messages": messages,
        "extra_body": {"temperature": 0},
        **options,
    }


def ask(question=POEM, **options):
    return client.messages.create(**asked(question, **options))


def stream(question=POEM, **options):
    with client.messages.stream(**asked(question, **options)) as stream:
        return "".join(stream.text_stream), stream.get_final_message()


def error_of(kind, function, *arguments, **options):
    try:
        function(*arguments, **options)
    except kind as error:
        return error
    raise AssertionError(kind)


whole = ask()
text, streamed = stream()
assert whole.content[0].type == "text", whole
assert text == streamed.content[0].text == whole.content[0].text
assert (streamed.stop_reason, whole.stop_reason) == ("end_turn", "end_turn")
assert streamed.usage.output_tokens == whole.usage.output_tokens > 20, streamed
assert whole.id != streamed.id
print("complete", "streamed", sep="\n")

thoughtful = ask(thinking=THINKING)
assert [block.type for block in thoughtful.content] == ["thinking", "text"], thoughtful
assert thoughtful.content[0].signature, thoughtful
thinking = stream(thinking=THINKING)[1].content[0].thinking
assert thinking == thoughtful.content[0].thinking != "", (thinking, thoughtful)
print("thinking")
limited = ask(max_tokens=5)
assert (limited.stop_reason, limited.usage.output_tokens) == ("max_tokens", 5), limited

_, calling = stream(WEATHER, tools=[TOOL])
call = calling.content[-1]
assert (calling.stop_reason, call.type, call.name) == ("tool_use", "tool_use", "get_weather"), calling
assert "北京" in call.input["location"]
result = {"type": "tool_result", "tool_use_id": call.id, "content": "晴，20°C"}
history = [
    {"role": "user", "content": WEATHER},
    {"role": "assistant", "content": calling.content},
    {"role": "user", "content": [result]},
]
final = client.messages.create(**{**asked(tools=[TOOL]), "messages": history})
assert final.stop_reason == "end_turn" and final.content[0].text, final
forced = ask(tools=[TOOL], tool_choice={"type": "tool", "name": "get_weather"})
assert forced.content[-1].type == "tool_use", forced
print("tools")


cities = []


@beta_tool
def get_weather(location: str) -> str:
    """查询城市的天气

    Args:
        location: 城市
    """
    cities.append(location)
    return "晴，20°C"


last = client.beta.messages.tool_runner(**asked(WEATHER, tools=[get_weather])).until_done()
assert cities and last.stop_reason == "end_turn", last
print("tool runner")

parsed = client.messages.parse(**asked("Which season is it?", output_format=Season))
assert isinstance(parsed.parsed_output, Season), parsed
print("structured output")

count = client.messages.count_tokens(model="claude-opus-5-5", messages=asked()["messages"])
assert count.input_tokens == whole.usage.input_tokens + whole.usage.cache_read_input_tokens
print("counting")
models = client.models.list()
assert "glm-4.6" in [model.id for model in models]
assert client.models.retrieve("glm-5.1").display_name == "glm-5.1"
print("models")

too_long = error_of(anthropic.BadRequestError, ask, TOO_LONG)
assert "prompt is too long: " in str(too_long) and " > 4096 maximum" in str(too_long), too_long
assert too_long.request_id
error_of(anthropic.NotFoundError, ask, model="x")
error_of(anthropic.AuthenticationError, client.with_options(api_key="wrong.key").models.list)
lost = error_of(anthropic.APIStatusError, stream, model="failing")
assert "the GPU is gone" in str(lost), lost
print("errors")
