"""`client`: PyPI's openai."""

from typing import Literal

import openai
from pydantic import BaseModel
from questions import POEM, TOO_LONG


class Season(BaseModel):
    name: Literal["spring", "summer", "autumn", "winter"]
    warm: bool


OFF = {"thinking": {"type": "disabled"}}


def ask(question=POEM, model="glm-4.6", **options):
    messages = [{"role": "developer", "content": "You help."}, {"role": "user", "content": question}]
    return client.chat.completions.create(model=model, messages=messages, temperature=0, **options)


def error_of(kind, function, *arguments, **options):
    try:
        function(*arguments, **options)
    except kind as error:
        return error
    raise AssertionError(kind)


for options in (
    {"max_tokens": 5},
    {"max_completion_tokens": 5},
    {"max_tokens": 9, "max_completion_tokens": 5},
):
    limited = ask(**options)
    assert (limited.choices[0].finish_reason, limited.usage.completion_tokens) == ("length", 5), limited
question = [{"role": "user", "content": "Which season is it?"}]
parsed = client.chat.completions.parse(
    model="glm-4.6", messages=question, response_format=Season, temperature=0, extra_body=OFF
)
assert isinstance(parsed.choices[0].message.parsed, Season), parsed

too_long = error_of(openai.BadRequestError, ask, TOO_LONG)
assert (too_long.code, too_long.type) == ("1261", "invalid_request_error"), vars(too_long)
assert too_long.request_id
assert "not served here" in str(error_of(openai.BadRequestError, ask, model="x"))
assert "`n`" in str(error_of(openai.BadRequestError, ask, n=2)).replace("n is 2", "`n`")
error_of(openai.AuthenticationError, client.with_options(api_key="wrong.key").models.list)
lost = error_of(openai.APIError, lambda: list(ask(model="failing", stream=True)))
assert (lost.code, lost.type, lost.message) == ("1234", "server_error", "the GPU is gone"), lost
assert client.models.retrieve("glm-5.1").id == "glm-5.1"
assert "/v1/chat/completions" in str(
    error_of(openai.BadRequestError, client.completions.create, model="x", prompt="x")
)
