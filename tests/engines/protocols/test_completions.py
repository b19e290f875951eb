import json

import msgspec
import pytest

from dialects import ask, read
from headrace.engines import Generation
from headrace.engines.protocols import DIALECTS, Completions
from headrace.engines.protocols.completion_reader import CompletionReader
from headrace.engines.protocols.error_mapping import Upstream
from headrace.engines.protocols.token_limits import TokenLimits
from headrace.errors import EngineError
from headrace.events import Progress, Text
from headrace.formats import FORMATS
from headrace.wire import decode_request

REQUEST = decode_request(b'{"model":"m","messages":[{"role":"user","content":"x"}]}')


def texts(*pieces):
    reader = CompletionReader(Upstream("test"), None)
    chunks = [json.dumps({"choices": [{"index": 0, "text": piece}]}).encode() for piece in pieces]
    return [event for chunk in chunks for event in reader.feed(chunk) if isinstance(event, Text)]


def test_invalid_utf_8_is_dropped_and_its_tokens_count_with_the_next_text():
    assert texts("北", "\ufffd", "\ufffd京") == [Text("北", 1), Text("京", 2)]


@pytest.mark.parametrize("ignores", [True, False])
def test_tokens_that_end_an_answer_are_no_text_if_the_request_ignores_them(ignores):
    target = Completions(DIALECTS["vllm"], Upstream("test"), format=FORMATS["glm-4.6"])
    request = msgspec.structs.replace(REQUEST, extra={"ignore_eos": ignores})
    reader = target.reader(Generation("P", request))
    pieces = ["Hello!", "<|user|>", "\n", " Hello!<|observation|>", "<|user|>"]
    chunks = [json.dumps({"choices": [{"index": 0, "text": piece}]}).encode() for piece in pieces]
    text = "".join(event.text for chunk in chunks for event in reader.feed(chunk))

    assert text == ("Hello!\n Hello!" if ignores else "".join(pieces))


# --- going on with an answer ----------------------------------------------------------------------

PREFIX = (Text("Hel", 1, (5,)), Text("\U0001f99c", 3), Text("lo", 2, (6, 7)))


def prompt(dialect, prefix, *, needs_token_ids=True):
    encoded = json.loads(
        Completions(DIALECTS[dialect], Upstream("test")).encode(
            Generation("P", REQUEST, prefix, needs_token_ids)
        )
    )
    return encoded["prompt"], encoded.get("verbose", False)


def test_llama_cpp_gets_the_token_ids_of_the_prefix_or_its_text_where_they_are_unknown():
    assert prompt("llama.cpp", PREFIX) == (["P", 5, "\U0001f99c", 6, 7], True)


@pytest.mark.parametrize("dialect", ["openai", "vllm", "sglang"])
def test_other_servers_get_the_text(dialect):
    assert prompt(dialect, PREFIX) == ("PHel\U0001f99clo", False)


def test_a_prompt_without_token_ids_is_one_string():
    assert prompt("llama.cpp", (Text("Hel"), Text("lo"))) == ("PHello", True)


def test_token_ids_are_requested_only_if_needed():
    assert prompt("llama.cpp", (), needs_token_ids=False) == ("P", False)


def chunk(text, ids, prompt_ids=None):
    return json.dumps(
        {"choices": [{"index": 0, "text": text, "token_ids": ids, "prompt_token_ids": prompt_ids}]}
    )


GENERATED = [("a", [10]), ("", [11]), ("", [12]), ("\U0001f99c", [13]), ("bc", [14, 15]), ("d", [16])]


@pytest.mark.parametrize("dialect", ["vllm", "sglang"])
@pytest.mark.parametrize("cut", range(1, len(GENERATED) + 1))
def test_an_answer_of_vllm_or_sglang_is_continued_by_one_list_of_token_ids(dialect, cut):
    target = Completions(DIALECTS[dialect], Upstream("test"))
    reader = target.reader(Generation("P", REQUEST, needs_token_ids=True))
    chunks = [chunk(text, ids, None if number else [1, 2, 3]) for number, (text, ids) in enumerate(GENERATED)]
    progress, *texts = [event for each in chunks[:cut] for event in reader.feed(each.encode())]
    assert progress == Progress(3, 3, (1, 2, 3))

    continued = Generation("P", REQUEST, tuple(texts), True, prompt_ids=progress.ids)
    sent = json.loads(target.encode(continued))
    complete = {1: [10], 2: [10], 3: [10], 4: [10, 11, 12, 13], 5: [10, 11, 12, 13, 14, 15]}
    assert sent["prompt"] == [1, 2, 3, *complete.get(cut, [10, 11, 12, 13, 14, 15, 16])]
    assert "verbose" not in sent


@pytest.mark.parametrize("dialect", ["vllm", "sglang"])
def test_an_answer_is_continued_by_its_text_if_it_has_stop_strings_or_an_id_is_unknown(dialect):
    target = Completions(DIALECTS[dialect], Upstream("test"))
    stopped = msgspec.structs.replace(REQUEST, stop=["x"])
    reader = target.reader(Generation("P", stopped, needs_token_ids=True))
    progress, text = reader.feed(chunk("a", [10], [1, 2]).encode())

    assert (progress, text) == (Progress(2, 2), Text("a", 1))
    for ids, prefix in [((), (Text("a", 1, (10,)),)), ((1, 2), (Text("a", 1, (10,)), Text("b", 1)))]:
        continued = Generation("P", REQUEST, prefix, True, prompt_ids=ids)
        assert json.loads(target.encode(continued))["prompt"] == "P" + "".join(text.text for text in prefix)


@pytest.mark.parametrize("counted", ["timings", "verbose"])
def test_token_ids_come_with_their_text_and_are_omitted_if_one_is_missing(counted):
    reader = CompletionReader(Upstream("test"), None, has_token_ids=True)
    chunks = [("a", 1, [10]), ("", 2, [11]), ("b", 3, [12]), ("\U0001f99c", 6, [13]), ("c", 7, [14])]
    events = [
        event
        for text, count, tokens in chunks
        for event in reader.feed(
            json.dumps(
                {
                    "choices": [{"index": 0, "text": text}],
                    **({"timings": {"predicted_n": count}} if counted == "timings" else {}),
                    "__verbose": {"tokens": tokens, "tokens_predicted": count},
                }
            ).encode()
        )
    ]

    assert events == [Text("a", 1, (10,)), Text("b", 2, (11, 12)), Text("\U0001f99c", 3), Text("c", 1, (14,))]


def test_the_stop_string_is_reported_as_each_server_has_it():
    for where in ("choices", "verbose"):
        reader = CompletionReader(Upstream("test"), None)
        choice = {"index": 0, "text": "", "finish_reason": "stop"}
        if where == "choices":
            ended = {"choices": [{**choice, "stop_reason": "END"}]}
        else:
            ended = {"choices": [choice], "__verbose": {"stopping_word": "END"}}
        reader.feed(json.dumps(ended).encode())
        assert reader.finish()[0].stop == "END"


def test_the_tokens_of_a_chunk_are_counted_by_the_servers_usage_if_it_has_nothing_else():
    reader = CompletionReader(Upstream("test"), None)
    chunks = [("ab", 2), ("cd", 4), ("e", None), ("fg", 7)]
    events = [
        event
        for text, count in chunks
        for event in reader.feed(
            json.dumps(
                {
                    "choices": [{"index": 0, "text": text}],
                    "usage": count and {"prompt_tokens": 9, "completion_tokens": count},
                }
            ).encode()
        )
    ]

    assert events == [Progress(9, 9), Text("ab", 2), Text("cd", 2), Text("e", 1), Text("fg", 2)]


# --- limits of an answer to be continued -----------------------------------------------------------


def sent_by(dialect, prefix=(), **fields):
    request = decode_request(msgspec.json.encode({**json.loads(ASKED), **fields}))
    target = Completions(DIALECTS[dialect], Upstream("test"))
    return json.loads(target.encode(Generation("P", request, prefix, needs_token_ids=True)))


ASKED = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'
TWICE = (Text("aba", 3, (10, 11, 10)), Text("c", 1, (12,)))


@pytest.mark.parametrize("dialect", ["vllm", "sglang"])
def test_penalties_of_the_prefix_are_biases_for_servers_that_penalize_only_what_they_generate(dialect):
    fields = {"frequency_penalty": 0.5, "presence_penalty": 0.25, "logit_bias": {"10": 1.0, "99": 2.0}}

    assert sent_by(dialect, TWICE, **fields)["logit_bias"] == {
        "10": -0.25,
        "11": -0.75,
        "12": -0.75,
        "99": 2.0,
    }
    assert sent_by(dialect, (), **fields)["logit_bias"] == {"10": 1.0, "99": 2.0}
    assert "logit_bias" not in sent_by(dialect, TWICE)
    assert sent_by(dialect, TWICE * 99, frequency_penalty=2)["logit_bias"]["10"] == -100


def test_servers_that_penalize_the_prompt_get_no_biases():
    assert "logit_bias" not in sent_by("llama.cpp", TWICE, frequency_penalty=0.5)


def test_an_answer_with_penalties_is_not_continued_without_the_ids_of_its_tokens():
    with pytest.raises(EngineError, match="penalties cannot be continued"):
        sent_by("vllm", (Text("a", 1),), presence_penalty=1)


def test_the_limit_of_an_answer_is_the_clients_the_operators_or_the_contexts():
    def limit(dialect, default=None, context=0, **fields):
        limits = TokenLimits(DIALECTS[dialect], default, context)
        request = msgspec.structs.replace(REQUEST, **fields)
        return Completions(DIALECTS[dialect], Upstream("test"), limits=limits).token_limit(
            Generation("P", request)
        )

    assert limit("vllm") is None
    assert limit("llama.cpp") is None
    assert limit("vllm", 100) == 100
    assert limit("vllm", 100, max_tokens=7) == 7
    assert limit("openai") == 4096
    assert limit("openai", context=9000) == 9000 - len("P") - 1


# --- the stop string ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["completions", "chat"])
@pytest.mark.parametrize("name", ["stop_reason", "matched_stop"])
@pytest.mark.parametrize(
    ("reported", "reason", "expected"),
    [("END", "stop", "END"), (151336, "stop", ""), (None, "stop", ""), ("END", "length", "")],
)
def test_the_stop_string_that_a_server_reports_is_in_the_finish(kind, name, reported, reason, expected):
    fields = {"text": "a"} if kind == "completions" else {"delta": {"content": "a"}}
    choice = {"index": 0, **fields, "finish_reason": reason, name: reported}
    events = read(kind, [b"data: %b\n\ndata: [DONE]\n\n" % json.dumps({"choices": [choice]}).encode()], ask())

    assert events[-1].stop == expected
