"""`client`: instructor's, in the mode JSON_SCHEMA."""

from typing import Literal

import instructor
from pydantic import BaseModel
from questions import POEM, TOO_LONG


class Season(BaseModel):
    name: Literal["spring", "summer", "autumn", "winter"]
    warm: bool


ASK = {"model": "glm-4.6", "messages": [{"role": "user", "content": "Which season is it?"}], "temperature": 0}
OFF = {"thinking": {"type": "disabled"}}

tools = instructor.from_openai(client.client, mode=instructor.Mode.TOOLS)
for one in (client, tools):
    season = one.chat.completions.create(**ASK, response_model=Season, extra_body=OFF)
    assert isinstance(season, Season), season
*_, last = tools.chat.completions.create_partial(
    **ASK, response_model=Season, extra_body={"tool_stream": True, **OFF}
)
assert last.name and last.warm is not None, last


def error_of(**options):
    try:
        client.chat.completions.create(**{**ASK, "response_model": Season, "max_retries": 0, **options})
    except Exception as error:
        return str(error)
    raise AssertionError


assert "prompt is too long" in error_of(messages=[{"role": "user", "content": TOO_LONG}])
assert "not served here" in error_of(model="x")
assert "length" in error_of(max_completion_tokens=2).lower()
assert (
    client.client.chat.completions.create(model="glm-4.6", messages=[{"role": "user", "content": POEM}])
    .choices[0]
    .message.content
)
