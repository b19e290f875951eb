import json

import pytest

from headrace.errors import RequestError
from headrace.wire import ChatRequest, decode_request
from headrace.wire.translation import TRANSLATED
from headrace.wire.unsupported import REJECTED, WITHOUT_EFFECT


def decode(**fields):
    messages = [{"role": "user", "content": "Hello"}]
    return decode_request(json.dumps({"model": "m", "messages": messages, **fields}).encode())


CHANGES = {
    "n": 2,
    "logprobs": True,
    "top_logprobs": 5,
    "functions": [{"name": "f"}],
    "function_call": {"name": "f"},
    "modalities": ["text", "audio"],
}


@pytest.mark.parametrize("name", REJECTED)
def test_a_field_that_would_change_the_answer_is_rejected_by_name(name):
    with pytest.raises(RequestError, match=rf"^{name} is .*not supported") as caught:
        decode(**{name: CHANGES.get(name, {"any": "value"})})

    assert caught.value.code == "1212"


def test_of_several_such_fields_the_first_of_the_table_is_named():
    with pytest.raises(RequestError, match="^functions is"):
        decode(function_call={"name": "f"}, functions=[{"name": "f"}], modalities=["audio"])


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, field in REJECTED.items() for value in field.allowed]
)
def test_a_value_that_requests_nothing_is_accepted(name, value):
    decode(**{name: value})


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_a_field_without_effect_is_accepted(name):
    decode(**{name: {"any": "value"}})


def test_each_field_has_one_treatment():
    tables = (ChatRequest.__struct_fields__, TRANSLATED, REJECTED, WITHOUT_EFFECT)
    names = [name for table in tables for name in table if name != "extra"]

    assert len(names) == len(set(names))
