import json

import pytest

from headrace.engines import Generation
from headrace.engines.protocols import DIALECTS, Completions
from headrace.engines.protocols.completions import CompletionReader
from headrace.engines.protocols.error_mapping import Upstream
from headrace.events import Text
from headrace.wire import decode_request


def texts(*pieces):
    reader = CompletionReader(Upstream("test"), None)
    chunks = [json.dumps({"choices": [{"index": 0, "text": piece}]}).encode() for piece in pieces]
    return [event for chunk in chunks for event in reader.feed(chunk) if isinstance(event, Text)]


def test_invalid_utf_8_is_dropped_and_its_tokens_count_with_the_next_text():
    assert texts("北", "\ufffd", "\ufffd京") == [Text("北", 1), Text("京", 2)]


# --- going on with an answer ----------------------------------------------------------------------

REQUEST = decode_request(b'{"model":"m","messages":[{"role":"user","content":"x"}]}')
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
