"""The tool loop: rounds, results, limits, blocking and in asyncio."""

import asyncio
import functools
import json
import threading

import pytest

import zai
from headrace.wire.decode_request import decode_request
from scripted_server import Reply, ScriptedServer, chunk, sse, stream

MESSAGES = [{"role": "user", "content": "北京天气怎么样"}]


def calls(*pairs, reasoning="Let me look.", finish="tool_calls"):
    """A response with tool calls, each (name, arguments), the arguments in two fragments."""
    frames = [sse(chunk(delta={"role": "assistant", "reasoning_content": reasoning}))] if reasoning else []
    for index, (name, arguments) in enumerate(pairs):
        half = len(arguments) // 2
        for number, text in enumerate((arguments[:half], arguments[half:])):
            head = {"id": f"call_{index}"} if number == 0 else {}
            function = {"arguments": text, **({"name": name} if number == 0 else {})}
            delta = {"tool_calls": [{"index": index, "type": "function", "function": function, **head}]}
            frames.append(sse(chunk(delta=delta)))
    return Reply([*frames, sse(chunk(finish_reason=finish)), sse("[DONE]")])


def get_weather(location: str) -> str:
    """Tell the weather."""
    return f"sunny in {location}"


def fail(location: str) -> str:
    """Fail."""
    msg = f"no {location}"
    raise RuntimeError(msg)


BEIJING = '{"location": "北京"}'


def test_calls_run_and_the_last_completion_is_returned(client_of):
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


def test_a_call_runs_as_soon_as_it_is_complete(client_of):
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
    ("name", "arguments", "message"),
    [
        ("fail", '{"location": "x"}', "Error: RuntimeError: no x"),
        ("missing", "{}", "Error: ValueError: there is no tool 'missing'; there are get_weather, fail"),
        ("get_weather", "{}", "missing required field `location`"),
        ("get_weather", '{"location": ', "Input data was truncated"),
    ],
)
def test_the_model_gets_the_error_of_a_call(client_of, name, arguments, message):
    with ScriptedServer(calls((name, arguments)), Reply(stream("Sorry."))) as server:
        run = client_of(server).chat.completions.run_tools(MESSAGES, tools=[get_weather, fail], model="m")
        (result,) = [event for event in run if event.type == "tool_call.result"]
    assert message in result.content
    assert isinstance(result.error, Exception)
    assert server.asked[1].body["messages"][-1]["content"] == result.content


@pytest.mark.parametrize("arguments", ['{"location": oops}', '{"location": ', "[1]", '"x"', "[" * 50_000])
def test_arguments_that_are_not_an_object_are_sent_as_an_error_and_not_as_arguments(client_of, arguments):
    with ScriptedServer(calls(("get_weather", arguments)), Reply(stream("Sorry."))) as server:
        client_of(server).chat.completions.run_tools(MESSAGES, tools=[get_weather], model="m").until_done()
    _, call_message, tool_message = server.asked[1].body["messages"]
    assert call_message["tool_calls"][0]["function"]["arguments"] == "{}"
    assert tool_message["content"].endswith(f"; the arguments were {arguments}")
    decode_request(json.dumps(server.asked[1].body).encode())


@pytest.mark.parametrize("finish", ["length", "sensitive", "model_context_window_exceeded"])
@pytest.mark.parametrize("arguments", ["", '{"location": "b"', '{"location": "b"}'])
def test_an_incomplete_call_does_not_run_and_ends_the_run(client_of, arguments, finish):
    asked_for = [("get_weather", '{"location": "a"}'), ("get_weather", arguments)]
    with ScriptedServer(calls(*asked_for, finish=finish), Reply(stream("x"))) as server:
        run = client_of(server).chat.completions.run_tools(MESSAGES, tools=[get_weather], model="m")
        results = [event.content for event in run if event.type == "tool_call.result"]
    assert results == ["sunny in a"]
    assert len(server.asked) == 1
    assert run.get_final_completion().choices[0].finish_reason == finish
    _, call_message, tool_message = run.messages
    assert [call["id"] for call in call_message["tool_calls"]] == [tool_message["tool_call_id"]] == ["call_0"]


def test_a_run_that_failed_has_no_final_completion(client_of):
    with ScriptedServer(calls(("get_weather", BEIJING)), Reply(stream("Sun")[:1])) as server:
        run = client_of(server).chat.completions.run_tools(MESSAGES, tools=[get_weather], model="m")
        with pytest.raises(zai.APIStreamTruncatedError):
            run.get_final_completion()
        with pytest.raises(zai.ZaiError, match=r"failed or was closed before its last answer"):
            run.get_final_completion()


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


def test_an_async_function_raises_in_a_blocking_client(client_of):
    async def later(location: str) -> str:
        raise NotImplementedError

    with ScriptedServer() as server:
        with pytest.raises(zai.ZaiError, match="later is async; use AsyncZaiClient"):
            client_of(server).chat.completions.run_tools(MESSAGES, tools=[later], model="m")


def undecorated_async(function):
    """Hide that a function is async, as a plain decorator does."""

    @functools.wraps(function)
    def call(**arguments):
        return function(**arguments)

    return call


@undecorated_async
async def get_weather_later(location: str) -> str:
    await asyncio.sleep(0)
    return f"sunny in {location}"


@pytest.mark.filterwarnings("ignore:coroutine 'get_weather_later' was never awaited")
def test_a_function_that_returns_an_awaitable_raises_in_a_blocking_client(client_of):
    with ScriptedServer(calls(("get_weather_later", BEIJING))) as server:
        run = client_of(server).chat.completions.run_tools(MESSAGES, tools=[get_weather_later], model="m")
        with pytest.raises(zai.ZaiError, match="get_weather_later is async; use AsyncZaiClient"):
            run.until_done()


def test_closing_from_another_thread_ends_the_loop_without_an_error(client_of):
    with ScriptedServer(Reply([sse(chunk("a")), 30.0])) as server:
        run = client_of(server).chat.completions.run_tools(MESSAGES, tools=[get_weather], model="m")
        seen = []
        for event in run:
            seen.append(event.type)
            threading.Timer(0.2, run.close).start()
        assert seen == ["content.delta"]
    assert run.messages == MESSAGES


def test_closing_within_a_call_ends_the_run_after_it(client_of):
    def close(location: str) -> str:
        run.close()
        return location

    with ScriptedServer(calls(("close", BEIJING))) as server:
        run = client_of(server).chat.completions.run_tools(MESSAGES, tools=[close], model="m")
        run.until_done()
    assert len(server.asked) == 1


def test_leaving_the_block_closes_the_connection(client_of):
    with ScriptedServer(Reply([sse(chunk("a")), *[0.01, sse(chunk("b"))] * 500])) as server:
        with client_of(server).chat.completions.run_tools(MESSAGES, tools=[get_weather], model="m") as run:
            for _ in run:
                break
        assert server.gone.wait(30)


async def test_asyncio_runs_calls_concurrently(async_client_of):
    both = asyncio.Barrier(2)

    async def meet(location: str) -> str:
        async with asyncio.timeout(30):
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


async def test_asyncio_awaits_an_awaitable_result(async_client_of):
    with ScriptedServer(calls(("get_weather_later", BEIJING)), Reply(stream("x"))) as server:
        completions = async_client_of(server).chat.completions
        run = await completions.run_tools(MESSAGES, tools=[get_weather_later], model="m").until_done()
    assert run.messages[2]["content"] == "sunny in 北京"


async def test_the_model_gets_a_stop_iteration_as_an_error_in_asyncio(async_client_of):
    def first(location: str) -> str:
        return next(iter(()))

    with ScriptedServer(calls(("first", BEIJING)), Reply(stream("x"))) as server:
        run = async_client_of(server).chat.completions.run_tools(MESSAGES, tools=[first], model="m")
        async with asyncio.timeout(30):
            await run.until_done()
    assert run.messages[2]["content"] == "Error: RuntimeError: first raised StopIteration"


async def test_the_model_gets_a_cancelled_function_as_an_error_in_asyncio(async_client_of):
    async def give_up(location: str) -> str:
        raise asyncio.CancelledError

    with ScriptedServer(calls(("give_up", BEIJING)), Reply(stream("x"))) as server:
        completions = async_client_of(server).chat.completions
        run = await completions.run_tools(MESSAGES, tools=[give_up], model="m").until_done()
    assert run.messages[2]["content"] == "Error: RuntimeError: give_up was cancelled"


async def test_an_incomplete_call_does_not_run_in_asyncio(async_client_of):
    with ScriptedServer(calls(("get_weather", BEIJING), finish="length")) as server:
        run = async_client_of(server).chat.completions.run_tools(MESSAGES, tools=[get_weather], model="m")
        answer = await run.get_final_completion()
    assert answer.choices[0].finish_reason == "length"
    assert len(server.asked) == 1


async def test_closing_from_another_task_ends_the_loop_without_an_error(async_client_of):
    with ScriptedServer(Reply([sse(chunk("a")), 30.0])) as server:
        run = async_client_of(server).chat.completions.run_tools(MESSAGES, tools=[get_weather], model="m")
        reading = asyncio.create_task(run.until_done())
        await asyncio.sleep(0.2)
        await run.close()
        async with asyncio.timeout(30):
            await reading
        with pytest.raises(zai.ZaiError, match="failed or was closed"):
            await run.get_final_completion()


def endless_tool():
    """Return a tool that does not return, and events for its start and its end."""
    began, stopped = asyncio.Event(), asyncio.Event()

    async def wait_for_ever(location: str) -> str:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()
        raise NotImplementedError

    return wait_for_ever, began, stopped


@pytest.mark.parametrize("how", ["close", "cancel"])
async def test_another_task_can_stop_running_calls(async_client_of, how):
    wait_for_ever, began, stopped = endless_tool()
    with ScriptedServer(calls(("wait_for_ever", BEIJING))) as server:
        run = async_client_of(server).chat.completions.run_tools(MESSAGES, tools=[wait_for_ever], model="m")
        reading = asyncio.create_task(run.until_done())
        async with asyncio.timeout(30):
            await began.wait()
            if how == "close":
                await run.close()
                await reading
            else:
                reading.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await reading
            await stopped.wait()
    assert len(server.asked) == 1


async def test_asyncio_limits_the_rounds(async_client_of):
    with ScriptedServer(calls(("get_weather", BEIJING))) as server:
        run = async_client_of(server).chat.completions.run_tools(
            MESSAGES, tools=[get_weather], model="m", max_rounds=2
        )
        with pytest.raises(zai.ToolRoundsError):
            await run.until_done()
    assert len(server.asked) == 2


async def test_leaving_the_block_stops_running_calls(async_client_of):
    wait_for_ever, began, stopped = endless_tool()
    with ScriptedServer(calls(("wait_for_ever", BEIJING))) as server:
        async with async_client_of(server).chat.completions.run_tools(
            MESSAGES, tools=[wait_for_ever], model="m"
        ) as run:
            async for event in run:
                if event.type == "finish":
                    await began.wait()
                    break
        async with asyncio.timeout(30):
            await stopped.wait()
