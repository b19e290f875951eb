"""`openai` and `zai`: arguments of `litellm.completion`."""

import json

import litellm
from questions import POEM, TOO_LONG, WEATHER

litellm.suppress_debug_info = True
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
SEASON = {
    "type": "object",
    "properties": {"name": {"enum": ["spring", "summer"]}, "warm": {"type": "boolean"}},
    "required": ["name", "warm"],
    "additionalProperties": False,
}


def ask(question, **options):
    messages = [{"role": "user", "content": question}]
    return litellm.completion(messages=messages, temperature=0, num_retries=0, **options)


def error_of(kind, function, *arguments, **options):
    try:
        function(*arguments, **options)
    except kind as error:
        return error
    raise AssertionError(kind)


for client in (openai, zai):
    whole = ask(POEM, **client)
    message = whole.choices[0].message
    assert message.content and message.reasoning_content, whole
    chunks = list(ask(POEM, stream=True, stream_options={"include_usage": True}, **client))
    assert (
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == message.content
    )
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens > 20

    for name in ("max_tokens", "max_completion_tokens"):
        limited = ask(POEM, **client, **{name: 5})
        assert (limited.choices[0].finish_reason, limited.usage.completion_tokens) == ("length", 5), limited

    asked = [{"role": "user", "content": WEATHER}]
    answer = litellm.completion(messages=asked, tools=[TOOL], temperature=0, **client).choices[0].message
    (call,) = answer.tool_calls
    assert json.loads(call.function.arguments)["location"], call
    result = {"role": "tool", "tool_call_id": call.id, "content": "晴，20°C"}
    final = litellm.completion(messages=[*asked, answer, result], tools=[TOOL], temperature=0, **client)
    assert final.choices[0].message.content

    error_of(litellm.ContextWindowExceededError, ask, TOO_LONG, **client)
    provider = client["model"].partition("/")[0]
    unknown = error_of(litellm.BadRequestError, ask, POEM, **{**client, "model": f"{provider}/x"})
    assert "not served here" in str(unknown), unknown
    error_of(litellm.AuthenticationError, ask, POEM, **{**client, "api_key": "wrong.key"})

season = ask(
    "Which season is it?",
    extra_body={"thinking": {"type": "disabled"}},
    response_format={
        "type": "json_schema",
        "json_schema": {"name": "season", "schema": SEASON, "strict": True},
    },
    **openai,
)
assert json.loads(season.choices[0].message.content).keys() == {"name", "warm"}
lost = error_of(
    litellm.exceptions.MidStreamFallbackError,
    lambda: list(ask(POEM, stream=True, **{**openai, "model": "openai/failing"})),
)
assert "the GPU is gone" in str(lost), lost
