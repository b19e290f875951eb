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


def test_bytes_that_are_no_character_are_not_shown_and_their_tokens_count_with_the_next():
    assert texts("北", "\ufffd", "\ufffd京") == [Text("北", 1), Text("京", 2)]


# --- going on with an answer ----------------------------------------------------------------------

REQUEST = decode_request(b'{"model":"m","messages":[{"role":"user","content":"x"}]}')
SAID = (Text("Hel", 1, (5,)), Text("\U0001f99c", 3), Text("lo", 2, (6, 7)))


def prompt(dialect, said, *, needs_token_ids=True):
    encoded = json.loads(
        Completions(DIALECTS[dialect], Upstream("test")).encode(
            Generation("P", REQUEST, said, needs_token_ids)
        )
    )
    return encoded["prompt"], encoded.get("verbose", False)


def test_llama_cpp_gets_the_tokens_that_were_said_and_the_text_of_those_that_are_not_known():
    assert prompt("llama.cpp", SAID) == (["P", 5, "\U0001f99c", 6, 7], True)


@pytest.mark.parametrize("dialect", ["openai", "vllm", "sglang"])
def test_other_servers_get_the_text(dialect):
    assert prompt(dialect, SAID) == ("PHel\U0001f99clo", False)


def test_a_list_without_a_token_would_be_several_prompts():
    assert prompt("llama.cpp", (Text("Hel"), Text("lo"))) == ("PHello", True)


def test_tokens_are_told_only_where_the_answer_may_have_to_be_continued():
    assert prompt("llama.cpp", (), needs_token_ids=False) == ("P", False)


def test_tokens_go_with_their_text_and_are_left_out_where_one_is_missing():
    reader = CompletionReader(Upstream("test"), None, has_token_ids=True)
    chunks = [("a", 1, [10]), ("", 2, [11]), ("b", 3, [12]), ("\U0001f99c", 6, [13]), ("c", 7, [14])]
    said = [
        event
        for text, count, tokens in chunks
        for event in reader.feed(
            json.dumps(
                {
                    "choices": [{"index": 0, "text": text}],
                    "timings": {"predicted_n": count},
                    "__verbose": {"tokens": tokens},
                }
            ).encode()
        )
    ]

    assert said == [Text("a", 1, (10,)), Text("b", 2, (11, 12)), Text("\U0001f99c", 3), Text("c", 1, (14,))]
