"""A program that reads answers; `mypy --strict` and pyright must report nothing. Never run."""

from typing import Any, assert_type

import httpx2

import zai
from zai import NOT_GIVEN, Stream, StreamAccumulator, StreamTimeout, ZaiClient, ZhipuAiClient
from zai._client import ZhipuAiClient as SameClient
from zai.core import ZAI_DEFAULT_TIMEOUT, StreamResponse
from zai.types.chat import ChatCompletionChunk, ChoiceDeltaToolCall, Completion
from zai.types.chat.async_chat_completion import AsyncCompletion, AsyncTaskStatus

client = ZaiClient(api_key="id.secret", timeout=5)
MESSAGES = [{"role": "user", "content": "Hello"}]


def read_chunks() -> str:
    response = client.chat.completions.create(model="glm-4.6", messages=MESSAGES, stream=True)
    assert_type(response, Stream[ChatCompletionChunk])
    full_content = ""
    for chunk in response:
        if not chunk.choices:
            continue
        delta = chunk.choices[0].delta
        if hasattr(delta, "content") and delta.content:
            full_content += delta.content
        if chunk.choices[0].finish_reason:
            print(f"{chunk.choices[0].finish_reason}")
            if hasattr(chunk, "usage") and chunk.usage:
                print(chunk.usage.prompt_tokens + chunk.usage.completion_tokens)
    return full_content


def join_tool_calls(response: StreamResponse[ChatCompletionChunk]) -> dict[int, ChoiceDeltaToolCall]:
    final_tool_calls: dict[int, ChoiceDeltaToolCall] = {}
    for chunk in response:
        delta = chunk.choices[0].delta
        if delta.tool_calls:
            for tool_call in delta.tool_calls:
                index = tool_call.index
                if index not in final_tool_calls:
                    final_tool_calls[index] = tool_call
                    final_tool_calls[index].function.arguments = tool_call.function.arguments
                else:
                    final_tool_calls[index].function.arguments += tool_call.function.arguments
    return final_tool_calls


def read_whole() -> str:
    answer = client.chat.completions.create(
        model="glm-4.6",
        messages=[{"role": "system", "content": "Be brief."}, *MESSAGES],
        temperature=0.2,
        max_tokens=100,
        stop=["\n"],
        thinking={"type": "disabled"},
        response_format={"type": "json_object"},
        request_id=NOT_GIVEN,
        extra_headers={"X-A": "1"},
        extra_body={"top_k": 5},
        timeout=None,
    )
    assert_type(answer, Completion)
    message = answer.choices[0].message
    for call in message.tool_calls or []:
        print(call.id, call.function.name, call.function.arguments)
    if answer.usage:
        print(answer.usage.total_tokens + 1)
    print(answer.model_dump()["id"], answer.to_json(), answer["x"], answer.model_extra)
    client.chat.completions.create(model="glm-4.6", messages=[*MESSAGES, message])
    return message.content or ""


def use_pydantics_names(answer: Completion, same: SameClient) -> None:
    assert_type(answer.dict(), dict[str, Any])
    assert_type(answer.json(), str)
    assert_type(answer.copy(update={"id": "2"}), Completion)
    assert_type(Completion.model_validate({"choices": []}), Completion)
    assert_type(Completion.construct(id="1"), Completion)
    print(answer.model_fields_set, sorted(Completion.model_fields))
    assert_type(same.timeout.connect, float | None)
    assert_type(ZAI_DEFAULT_TIMEOUT.read, float | None)


def read_either(streamed: bool) -> None:  # noqa: FBT001
    answer = client.chat.completions.create(model="glm-4.6", messages=MESSAGES, stream=streamed)
    assert_type(answer, Completion | Stream[ChatCompletionChunk])


def watch_a_stream() -> None:
    limits = StreamTimeout(first_chunk=60, idle=30, total=600)
    with client.chat.completions.create(
        model="glm-4.6", messages=MESSAGES, stream=True, stream_timeout=limits
    ) as stream:
        whole = StreamAccumulator()
        for chunk in stream:
            whole.add(chunk)
        assert_type(whole.completion(), Completion)
        assert_type(stream.collect(), Completion)
        assert_type(stream.finish_reason, str | None)
        assert_type(stream.last_event_id, str)
        for text in stream.text_deltas():
            print(text.upper())
        stream.cancel()


def fetch_later(zhipu: ZhipuAiClient) -> None:
    task = zhipu.chat.asyncCompletions.create(model="glm-4.6", messages=MESSAGES)
    assert_type(task, AsyncTaskStatus)
    result = zhipu.chat.asyncCompletions.retrieve_completion_result(task.id or "")
    if isinstance(result, AsyncCompletion):
        print(result.choices[0].message.content)
    for model in zhipu.models.list().data:
        print(model.id.upper())


def misspell() -> None:
    zai.ZaiCleint  # type: ignore[attr-defined]  # noqa: B018
    client.chat.completions.create(model=1, messages=MESSAGES)  # type: ignore[call-overload]
    client.chat.completions.create(model="glm-4.6", mesages=MESSAGES)  # type: ignore[call-overload]


def handle_errors() -> None:
    try:
        read_chunks()
    except zai.APIReachLimitError as error:
        print(error.status_code + 1, error.code.upper(), error.message.upper())
    except zai.APIStreamDisconnectedError as error:
        print(error.partial.choices[0].message.content, error.last_event_id.upper())
    except zai.APIStreamTruncatedError as error:
        print(error.partial.choices[0].finish_reason)
    except zai.APITimeoutError as error:
        if error.partial:
            print(error.partial.choices[0].message.content)
    except zai.ZaiError as error:
        print(error.message)


def pass_an_http_client() -> None:
    own = zai.ZaiClient(
        api_key="id.secret", http_client=httpx2.Client(), timeout=httpx2.Timeout(5, connect=1)
    )
    zai.AsyncZaiClient(api_key="id.secret", http_client=httpx2.AsyncClient())
    stream = own.chat.completions.create(model="glm-4.6", messages=MESSAGES, stream=True)
    print(stream.response.headers["x-request-id"].upper())
    try:
        own.models.list(timeout=5, extra_headers={"X-A": "1"})
    except zai.APIStatusError as error:
        print(error.response.headers.get("retry-after"), error.response.text.upper())
