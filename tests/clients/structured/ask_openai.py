"""openai's `parse()`, and tools that must be called: a named one, or one of two."""

from forms import ASK, LIMIT, MODEL, OFF, URL, Point, report_all
from openai import BadRequestError, LengthFinishReasonError, OpenAI, pydantic_function_tool

client = OpenAI(base_url=f"{URL}/v1", api_key="any", max_retries=0)
OPTIONS = {"model": MODEL, "messages": ASK, "max_tokens": LIMIT, "seed": 1, "extra_body": OFF}


def whole(model):
    try:
        return client.chat.completions.parse(**OPTIONS, response_format=model).choices[0].message.parsed
    except LengthFinishReasonError as error:
        return error.completion.choices[0].message.content
    except BadRequestError as error:
        return error.code


def forced(model):
    tool = pydantic_function_tool(model, name="answer")
    tool["function"]["strict"] = len(model.__name__) % 2 == 0
    named = {"type": "function", "function": {"name": "answer"}}
    several = [tool, pydantic_function_tool(Point, name="point")]
    choice = (
        {"tools": [tool], "tool_choice": "required"}
        if tool["function"]["strict"]
        else {"tools": several, "tool_choice": named}
    )
    try:
        [choice] = client.chat.completions.create(**OPTIONS, **choice).choices
    except BadRequestError as error:
        return error.code
    arguments = choice.message.tool_calls[0].function.arguments if choice.message.tool_calls else ""
    if choice.finish_reason == "length":
        return arguments
    assert choice.finish_reason == "tool_calls", choice
    return model.model_validate_json(arguments)


report_all(whole, forced)
