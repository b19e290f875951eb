"""PyPI's openai-agents, unchanged, with its default model: OpenAI's Responses at OPENAI_BASE_URL."""

import asyncio

import openai
from agents import Agent, ModelSettings, Runner, function_tool, set_tracing_disabled
from agents.exceptions import ModelBehaviorError
from openai.types.shared import Reasoning
from pydantic import BaseModel

set_tracing_disabled(True)
asked = []


class City(BaseModel):
    name: str


@function_tool
def get_weather(location: str) -> str:
    """The weather of a place."""
    asked.append(location)
    return "sunny"


def agent(**options):
    return Agent(name="Helper", **{"model": "glm-4.6", "instructions": "Be brief.", **options})


async def stream(*arguments, **options):
    running = Runner.run_streamed(*arguments, **options)
    async for _ in running.stream_events():
        pass
    return running


async def main():
    whole = await Runner.run(agent(), "Hello")
    assert whole.final_output == "Hi there."
    assert whole.context_wrapper.usage.output_tokens > 0
    assert (await stream(agent(), "Hello")).final_output == "Hi there."
    print("complete", "streamed", sep="\n")

    thinking = ModelSettings(reasoning=Reasoning(effort="high", summary="auto"), parallel_tool_calls=True)
    for run in (Runner.run, stream):
        for options in ({}, {"auto_previous_response_id": True}):
            asked.clear()
            answer = await run(agent(tools=[get_weather], model_settings=thinking), "Weather?", **options)
            assert (answer.final_output, asked) == ("It is sunny.", ["Berlin"]), answer
            again = await run(agent(), [*answer.to_input_list(), {"role": "user", "content": "Thanks"}])
            assert again.final_output == "Hi there."
    print("tools", "thinking", "previous_response_id", sep="\n")

    assert (await Runner.run(agent(output_type=City), "Which city?")).final_output == City(name="Berlin")
    print("structured output")

    for name, kind in (("gpt-5.5", openai.NotFoundError), ("failing", ModelBehaviorError)):
        try:
            await stream(agent(model=name), "Hello")
        except kind:
            continue
        raise AssertionError(name)
    print("errors")


asyncio.run(main())
