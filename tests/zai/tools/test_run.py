"""The tool loop against a server: rounds, results, limits; blocking and asyncio alike."""

import asyncio

import pytest

import zai
from scripted_server import Reply, ScriptedServer, chunk, sse, stream

MESSAGES = [{"role": "user", "content": "北京天气怎么样"}]


def calls(*pairs, reasoning="Let me look."):
    """An answer that calls: (name, arguments) each, the arguments in two pieces."""
    frames = [sse(chunk(delta={"role": "assistant", "reasoning_content": reasoning}))] if reasoning else []
    for index, (name, arguments) in enumerate(pairs):
        half = len(arguments) // 2
        for number, text in enumerate((arguments[:half], arguments[half:])):
            head = {"id": f"call_{index}"} if number == 0 else {}
            function = {"arguments": text, **({"name": name} if number == 0 else {})}
            delta = {"tool_calls": [{"index": index, "type": "function", "function": function, **head}]}
            frames.append(sse(chunk(delta=delta)))
    return Reply([*frames, sse(chunk(finish_reason="tool_calls")), sse("[DONE]")])


def get_weather(location: str) -> str:
    """Tell the weather."""
    return f"sunny in {location}"


def fail(location: str) -> str:
    """Fail."""
    msg = f"no {location}"
    raise RuntimeError(msg)


BEIJING = '{"location": "北京"}'


def test_calls_are_made_and_the_answer_is_returned(client_of):
    with ScriptedServer(calls(("get_weather", BEIJING)), Reply(stream("Sunny."))) as server:
        run = client_of(server).chat.completions.run_tools(MESSAGES, tools=[get_weather], model="m")
        assert run.get_final_completion().choices[0].message.content == "Sunny."
    first, second = server.asked
    assert first.body["messages"] == MESSAGES
    assert first.body["tools"][0]["function"]["name"] == "get_weather"
    assert first.body["tool_stream"] is True
    assert second.body["messages"] == [
        *MESSAGES,
        {
            "role": "assistant",
            "content": "",
            "reasoning_content": "Let me look.",
            "tool_calls": [
                {
                    "id": "call_0",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": BEIJING},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_0", "content": "sunny in 北京"},
    ]
    assert run.rounds == 2
    assert run.messages[-1] == {"role": "assistant", "content": "Sunny."}
    assert len(MESSAGES) == 1


def test_a_call_runs_as_soon_as_it_is_whole(client_of):
    with ScriptedServer(
        calls(("get_weather", '{"location": "a"}'), ("get_weather", '{"location": "b"}')), Reply(stream("x"))
    ) as server:
        run = client_of(server).chat.completions.run_tools(MESSAGES, tools=[get_weather], model="m")
        kinds = [event.type for event in run if "delta" not in event.type]
    assert kinds == [
        "reasoning.done",
        "tool_call.start",
        "tool_call.done",
        "tool_call.result",
        "tool_call.start",
        "tool_call.done",
        "tool_call.result",
        "finish",
        "content.done",
        "usage",
        "finish",
    ]


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("fail", '{"location": "x"}', "Error: RuntimeError: no x"),
        ("missing", "{}", "Error: ValueError: there is no tool 'missing'; there are get_weather, fail"),
        ("get_weather", "{}", "missing required field `location`"),
        ("get_weather", '{"location": ', "Input data was truncated"),
    ],
)
def test_a_call_that_fails_is_told_to_the_model(client_of, name, arguments, told):
    with ScriptedServer(calls((name, arguments)), Reply(stream("Sorry."))) as server:
        run = client_of(server).chat.completions.run_tools(MESSAGES, tools=[get_weather, fail], model="m")
        (result,) = [event for event in run if event.type == "tool_call.result"]
    assert told in result.content
    assert isinstance(result.error, Exception)
    assert server.asked[1].body["messages"][-1]["content"] == result.content


def test_the_rounds_are_limited(client_of):
    with ScriptedServer(calls(("get_weather", BEIJING))) as server:
        run = client_of(server).chat.completions.run_tools(
            MESSAGES, tools=[get_weather], model="m", max_rounds=3
        )
        with pytest.raises(zai.ToolRoundsError, match="after 3 rounds; raise max_rounds") as caught:
            run.until_done()
    assert len(server.asked) == 3
    assert len(caught.value.messages) == 1 + 3 * 2


def test_other_arguments_are_those_of_create(client_of):
    with ScriptedServer(Reply(stream("x"))) as server:
        client_of(server).chat.completions.run_tools(
            MESSAGES, tools=[get_weather], model="m", temperature=0.5, thinking={"type": "enabled"}
        ).until_done()
    assert server.asked[0].body["temperature"] == 0.5
    assert server.asked[0].body["thinking"] == {"type": "enabled"}


def test_an_async_function_needs_the_asyncio_client(client_of):
    async def later(location: str) -> str:
        raise NotImplementedError

    with ScriptedServer() as server:
        with pytest.raises(zai.ZaiError, match="later is async; use AsyncZaiClient"):
            client_of(server).chat.completions.run_tools(MESSAGES, tools=[later], model="m")


def test_leaving_the_loop_closes_the_connection(client_of):
    with ScriptedServer(Reply([sse(chunk("a")), *[0.01, sse(chunk("b"))] * 500])) as server:
        with client_of(server).chat.completions.run_tools(MESSAGES, tools=[get_weather], model="m") as run:
            for _ in run:
                break
        assert server.gone.wait(5)


async def test_asyncio_runs_calls_at_the_same_time(async_client_of):
    both = asyncio.Barrier(2)

    async def meet(location: str) -> str:
        async with asyncio.timeout(5):
            await both.wait()
        return f"met in {location}"

    with ScriptedServer(
        calls(("meet", '{"location": "a"}'), ("meet", '{"location": "b"}')), Reply(stream("Done."))
    ) as server:
        run = async_client_of(server).chat.completions.run_tools(MESSAGES, tools=[meet], model="m")
        answer = await run.get_final_completion()
    assert answer.choices[0].message.content == "Done."
    assert [message["content"] for message in server.asked[1].body["messages"][-2:]] == [
        "met in a",
        "met in b",
    ]


async def test_asyncio_runs_plain_functions_in_a_thread(async_client_of):
    with ScriptedServer(
        calls(("get_weather", BEIJING), ("fail", BEIJING), ("missing", "{}")), Reply(stream("x"))
    ) as server:
        run = async_client_of(server).chat.completions.run_tools(
            MESSAGES, tools=[get_weather, fail], model="m"
        )
        results = [event.content async for event in run if event.type == "tool_call.result"]
    assert results[:2] == ["sunny in 北京", "Error: RuntimeError: no 北京"]
    assert results[2].startswith("Error: ValueError: there is no tool 'missing'")


async def test_asyncio_limits_the_rounds(async_client_of):
    with ScriptedServer(calls(("get_weather", BEIJING))) as server:
        run = async_client_of(server).chat.completions.run_tools(
            MESSAGES, tools=[get_weather], model="m", max_rounds=2
        )
        with pytest.raises(zai.ToolRoundsError):
            await run.until_done()
    assert len(server.asked) == 2


async def test_leaving_the_asyncio_loop_stops_the_calls_that_run(async_client_of):
    stopped = asyncio.Event()

    async def wait_for_ever(location: str) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()
        raise NotImplementedError

    with ScriptedServer(calls(("wait_for_ever", BEIJING))) as server:
        async with async_client_of(server).chat.completions.run_tools(
            MESSAGES, tools=[wait_for_ever], model="m"
        ) as run:
            async for event in run:
                if event.type == "finish":
                    await asyncio.sleep(0.05)
                    break
        async with asyncio.timeout(5):
            await stopped.wait()
