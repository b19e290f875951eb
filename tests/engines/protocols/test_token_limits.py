"""What servers are asked for in `max_tokens`, and what their refusals tell about it."""

import json

import pytest

from dialects import ask, protocol
from headrace.engines.protocols import DIALECTS
from headrace.engines.protocols.token_limits import TokenLimits

REFUSALS = {
    "vllm": "max_tokens=65536 cannot be greater than max_model_len=4096",
    "vllm 2026": "max_tokens=65536 cannot be greater than max_model_len=max_total_tokens=4096. Please request fewer",
    "vllm 2025": "This model's maximum context length is 4096 tokens. However, you requested 65546 tokens (10 in the"
    " messages, 65536 in the completion). Please reduce the length of the messages or completion.",
    "vllm, renderer": "This model's maximum context length is 4096 tokens. However, you requested 65536 output tokens"
    " and your prompt contains 10 input tokens, for a total of 65546 tokens. Please reduce the length",
    "sglang": "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total"
    " of 65546 tokens: 10 tokens from the input messages and 65536 tokens for the completion.",
    "trt": "This model's maximum context length is 4096 tokens and your request has 10 input tokens (65536 > 4096 - 10)",
    "openai": "max_tokens is too large: 65536. This model supports at most 4096 completion tokens.",
    "dashscope": "Range of max_tokens should be [1, 4096]",
    "sambanova": "The parameter `max_tokens` specified in the request are not valid: expected a value <= 4096, but got",
}  # fmt: skip


def limits(dialect, default=None, context=0):
    return TokenLimits(DIALECTS[dialect], default, context)


def max_tokens(kind, dialect, prompt="", *, context=0, default=None, **fields):
    target = protocol(kind, dialect, limits=limits(dialect, default, context))
    return json.loads(target.encode(ask(prompt, **fields))).get("max_tokens")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("context", [0, 100, 4096, 131_072])
@pytest.mark.parametrize("prompt", ["", "Hi", "日" * 5000])
def test_raw_text_is_never_left_to_the_servers_default_of_16_tokens(dialect, context, prompt):
    sent = max_tokens("completions", dialect, prompt, context=context)

    assert sent == -1 if dialect == "llama.cpp" else sent >= min(4096, context or 4096)


def test_vllm_is_asked_for_its_whole_context_and_reduces_that_itself():
    assert max_tokens("completions", "vllm", context=131_072) == 131_072
    assert max_tokens("completions", "vllm") == 2**31 - 1


def test_a_server_without_a_value_for_all_that_fits_gets_what_fits_if_each_byte_is_a_token():
    assert max_tokens("completions", "sglang", "日本", context=131_072) == 131_072 - 6 - 1
    assert max_tokens("completions", "sglang", "日本") == 4096


@pytest.mark.parametrize("dialect", DIALECTS)
def test_chat_is_left_to_the_server_which_fills_the_context(dialect):
    assert max_tokens("chat", dialect, context=4096) is None


@pytest.mark.parametrize("kind", ["chat", "completions"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_limit_beyond_the_context_is_reduced_to_it(dialect, kind):
    assert max_tokens(kind, dialect, max_tokens=65_536, context=4096) == 4096
    assert max_tokens(kind, dialect, max_tokens=7, context=4096) == 7
    assert max_tokens(kind, dialect, max_tokens=65_536) == 65_536


def test_the_operators_default_is_for_requests_without_a_limit():
    assert max_tokens("completions", "sglang", default=99) == 99
    assert max_tokens("completions", "sglang", default=99, max_tokens=7) == 7
    assert max_tokens("completions", "vllm", default=99_999, context=4096) == 4096


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=list(REFUSALS))
def test_a_refusal_tells_what_would_fit(refusal):
    counts_prompt = "10 " in refusal

    assert limits("openai").fitting(refusal, 65_536) == (4085 if counts_prompt else 4096)
    assert limits("openai").fitting(refusal, 4000) is None


@pytest.mark.parametrize("name", ["vllm", "vllm 2026", "vllm 2025", "vllm, renderer", "sglang", "trt"])
def test_the_context_in_a_refusal_is_remembered(name):
    learned = limits("sglang")
    learned.fitting(REFUSALS[name], 65_536)

    assert learned.accepted(65_536) == 4096
    assert learned.unlimited("ab") == 4096


@pytest.mark.parametrize("name", ["openai", "dashscope", "sambanova"])
def test_a_limit_of_the_answer_is_not_taken_for_the_context(name):
    learned = limits("openai")
    learned.fitting(REFUSALS[name], 65_536)

    assert learned.accepted(65_536) == 65_536


@pytest.mark.parametrize(
    "refusal",
    [
        "",
        "max_tokens is wrong",
        "This model's maximum context length is 4096 tokens. However, your messages resulted in 5000 tokens.",
        REFUSALS["vllm 2025"].replace("10 in the", "5000 in the"),
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it",
    ],
)
def test_a_prompt_that_is_too_long_is_not_sent_again(refusal):
    assert limits("vllm").fitting(refusal, 10) is None
    assert limits("vllm").fitting(refusal, None) is None
