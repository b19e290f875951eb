"""One log, read in three APIs, is the same answer: for any model output, at every cut, with every ending."""

import json

from hypothesis import given
from hypothesis import strategies as st

from headrace.chunks import ChunkEncoder
from headrace.events import CANCELLED, Finish, Text, TokenUsage
from headrace.formats import FORMATS
from headrace.message_events import MessageEncoder
from headrace.parsing import OutputParser
from headrace.response_encoder import ResponseEncoder
from headrace.server.frames import FrameEncoder
from headrace.sse import DONE, SseDecoder
from headrace.turns import Interpreter
from headrace.wire import fold
from headrace.wire.decode import decode_chunk
from headrace.wire.messages import fold_message
from headrace.wire.responses import ResponseForm
from headrace.wire.responses.request import ECHOED
from message_grammar import violations
from response_contract import read_stream, texts_of

PARTS = [
    "Let me see. ",
    "日本\n\n",
    "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1 < 2</arg_value>\n</tool_call>",
    "<tool_call>f\n</tool_call>",
]
ENDINGS = {
    # of the log: of chat completions, Messages and Responses
    "stop": ("stop", "end_turn", "completed"),
    "length": ("length", "max_tokens", "incomplete"),
    "model_context_window_exceeded": ("model_context_window_exceeded",) * 2 + ("incomplete",),
    "sensitive": ("sensitive", "refusal", "incomplete"),
    CANCELLED: ("stop", "end_turn", "cancelled"),
    "network_error": ("network_error", None, "failed"),
}
USAGE = TokenUsage(prompt=9, completion=5, reasoning=1)


@st.composite
def logs(draw):
    """A log, and its ending: the text of an answer, cut off anywhere unless it ends with `stop`."""
    text = draw(st.sampled_from(["", "<think>I think.</think>"])) + "".join(
        draw(st.lists(st.sampled_from(PARTS)))
    )
    ending = draw(st.sampled_from([*ENDINGS]))
    if ending != "stop":
        text = text[: draw(st.integers(0, len(text)))]
    cuts = sorted(draw(st.sets(st.integers(1, max(len(text) - 1, 1)))))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    error = "the GPU is gone" if ending == "network_error" else ""
    return [*(Text(piece) for piece in pieces if piece), Finish(ending, USAGE, error)], ending


def encode(log, encoder, pieces):
    """The stream of a log that is read in pieces."""
    parser = OutputParser(FORMATS["glm-4.6"], {"f": None}, thinking=True, tool_stream=True)
    frames = FrameEncoder(Interpreter(lambda: parser), encoder)
    return b"".join(frames.encode(log[at : at + pieces]) for at in range(0, len(log), pieces))


def of_chat(stream):
    """The reasoning, the content, the calls, and the ending."""
    chunks = [decode_chunk(event.data) for event in SseDecoder().feed(stream) if event.data != DONE]
    choice = fold(chunks).choices[0]
    calls = [(call.function.name, call.function.arguments) for call in choice.message.tool_calls or ()]
    return choice.message.reasoning_content or "", choice.message.content, calls, choice.finish_reason


def of_messages(stream):
    data = [json.loads(event.data) for event in SseDecoder().feed(stream)]
    assert violations(data) == []
    texts, calls = {"thinking": "", "text": ""}, []
    for one in data:
        match one:
            case {"type": "content_block_start", "content_block": {"type": "tool_use", "name": name}}:
                calls.append((name, ""))
            case {"type": "content_block_delta", "delta": {"partial_json": text}}:
                calls[-1] = calls[-1][0], calls[-1][1] + text
            case {"type": "content_block_delta", "delta": {"type": kind, **delta}} if (
                "signature" not in delta
            ):
                texts[kind.removesuffix("_delta")] += delta.popitem()[1]
    return texts["thinking"], texts["text"], calls, fold_message(data)["stop_reason"]


def of_responses(stream):
    response = read_stream(stream).response
    texts, calls = {"reasoning": "", "message": ""}, []
    for item in response["output"]:
        if item["type"] == "function_call":
            calls.append((item["name"], item["arguments"]))
        else:
            texts[item["type"]] += texts_of(item)
    return texts["reasoning"], texts["message"], calls, response["status"]


@given(logs(), st.integers(1, 9))
def test_the_same_log_is_the_same_answer_in_every_api(log, pieces):
    log, ending = log
    form = ResponseForm({**ECHOED, "model": "m"})
    *chat, finish = of_chat(encode(log, ChunkEncoder("t", 1, "m"), pieces))
    *message, stop = of_messages(encode(log, MessageEncoder("t", "m"), pieces))
    *response, status = of_responses(encode(log, ResponseEncoder("t", 1, form), pieces))

    assert chat == message == response
    expected = ENDINGS[ending]
    if ending == "stop" and chat[2]:
        expected = ("tool_calls", "tool_use", "completed")
    assert (finish, stop, status) == expected
