"""`client`: PyPI's zai-sdk."""

import json

from questions import POEM, TOO_LONG

import zai


def ask(question=POEM, model="glm-4.6", **options):
    messages = [{"role": "user", "content": question}]
    return client.chat.completions.create(model=model, messages=messages, temperature=0, **options)


def error_of(kind, function, *arguments, **options):
    try:
        function(*arguments, **options)
    except kind as error:
        return error
    raise AssertionError(kind)


for name in ("glm-5.1", "glm-4-plus", "charglm-3"):
    limited = ask(
        model=name, max_tokens=5, user_id="7", tools=[{"type": "web_search", "web_search": {"enable": False}}]
    )
    assert (limited.choices[0].finish_reason, limited.usage.completion_tokens) == ("length", 5), limited
assert not ask(thinking={"type": "false"}).choices[0].message.reasoning_content
schema = {
    "type": "object",
    "properties": {"name": {"enum": ["spring", "summer"]}, "warm": {"type": "boolean"}},
    "required": ["name", "warm"],
    "additionalProperties": False,
}
season = ask(
    "Which season is it?",
    thinking={"type": "disabled"},
    response_format={"type": "json_schema", "json_schema": {"name": "season", "schema": schema}},
)
assert json.loads(season.choices[0].message.content).keys() == {"name", "warm"}, season
assert "prompt is too long" in str(error_of(zai.core.APIRequestFailedError, ask, TOO_LONG))
assert "not served here" in str(error_of(zai.core.APIRequestFailedError, ask, model="x"))
chunks = list(ask(model="failing", stream=True))
assert chunks[-1].choices[0].finish_reason == "network_error", chunks
