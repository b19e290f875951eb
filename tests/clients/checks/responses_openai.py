"""PyPI's openai, unchanged: OpenAI's Responses at OPENAI_BASE_URL."""

import json

import openai
from pydantic import BaseModel

client = openai.OpenAI(max_retries=0)
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string"}},
        "required": ["location"],
        "additionalProperties": False,
    },
    "strict": True,
}


class City(BaseModel):
    name: str


def create(**options):
    return client.responses.create(**{"model": "glm-4.6", "input": "Hello", **options})


# Complete and streamed, with the same answer.
whole = create(instructions="Be brief.", metadata={"a": "b"})
assert (whole.status, whole.output_text, whole.metadata) == ("completed", "Hi there.", {"a": "b"})
assert whole.usage.input_tokens_details.cached_tokens == 0
assert whole.usage.output_tokens_details.reasoning_tokens > 0
assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens
print("complete", "thinking", sep="\n")
events = list(create(stream=True))
assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "Hi there."
assert events[-1].type == "response.completed"
assert events[-1].response.output_text == "Hi there."

# The helper that checks a stream while it reads.
with client.responses.stream(model="glm-4.6", input="Hello") as stream:
    for _ in stream:
        pass
    assert stream.get_final_response().output_text == "Hi there."
print("streamed")

# Tools: a loop with the whole history, and with `previous_response_id`.
for continues in (False, True):
    with client.responses.stream(model="glm-4.6", input="Weather?", tools=[WEATHER]) as stream:
        first = stream.until_done().get_final_response()
    call = next(item for item in first.output if item.type == "function_call")
    assert json.loads(call.arguments) == {"location": "Berlin"}
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    if continues:
        second = create(input=[result], tools=[WEATHER], previous_response_id=first.id)
    else:
        history = [{"role": "user", "content": "Weather?"}, *first.output, result]
        second = create(input=history, tools=[WEATHER])
    assert second.output_text == "It is sunny.", second
print("tools", "previous_response_id", sep="\n")

# Structured output.
parsed = client.responses.parse(model="glm-4.6", input="Which city?", text_format=City)
assert parsed.output_parsed == City(name="Berlin"), parsed
print("structured output")

# In the background: poll, leave, resume, cancel, delete.
begun = create(model="slow", background=True)
assert begun.status in ("queued", "in_progress")
while (response := client.responses.retrieve(begun.id)).status in ("queued", "in_progress"):
    pass
assert response.output_text == "one two three four five six seven eight nine ten"
print("background")
numbers = []
with create(model="slow", background=True, stream=True) as stream:
    for event in stream:
        numbers.append(event.sequence_number)
        if event.type == "response.created":
            begun = event.response
        if event.type == "response.output_text.delta":
            break
for event in client.responses.retrieve(begun.id, stream=True, starting_after=numbers[-1]):
    numbers.append(event.sequence_number)
assert numbers == list(range(len(numbers)))
assert event.response.output_text == response.output_text
with client.responses.stream(response_id=begun.id, starting_after=4) as stream:
    assert stream.get_final_response().output_text == response.output_text
print("resuming")
running = create(model="slow", background=True)
assert client.responses.cancel(running.id).status == "cancelled"
items = client.responses.input_items.list(whole.id).data
assert items[0].content[0].text == "Hello"
client.responses.delete(whole.id)
print("cancel", "input_items", "delete", sep="\n")


# Errors.
def error_of(kind, function, *arguments, **options):
    try:
        function(*arguments, **options)
    except kind as error:
        return error
    raise AssertionError(kind)


assert error_of(openai.NotFoundError, create, model="gpt-5.5").code == "model_not_found"
assert error_of(openai.BadRequestError, create, temperature=3).param == "temperature"
assert error_of(openai.BadRequestError, create, previous_response_id=whole.id).param == "previous_response_id"
assert error_of(openai.InternalServerError, create, model="failing").code == "server_error"
for method in (client.responses.retrieve, client.responses.cancel, client.responses.delete):
    assert error_of(openai.NotFoundError, method, "resp_0")
failed = list(create(model="failing", stream=True))[-1]
assert (failed.type, failed.response.error.message) == ("response.failed", "the GPU is gone")
print("errors")
