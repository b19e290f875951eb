import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import RequestError
from headrace.wire.sampling import SAMPLING_FIELDS, decode_sampling

VALID = [
    {"top_k": -1, "min_p": 0, "min_tokens": 0, "ignore_eos": False},
    {"top_k": 40, "min_p": 0.05, "frequency_penalty": -2, "presence_penalty": 2, "repetition_penalty": 1.1},
    {"logit_bias": {"0": -100, "151000": 100.0}},
    {"logit_bias": {}},
]
INVALID = [
    # what is sent, what the message must name
    ({"top_k": 1.5}, ["top_k", "1.5", "an integer"]),
    ({"top_k": True}, ["top_k", "true"]),
    ({"top_k": -2}, ["top_k", "-2", "-1"]),
    ({"top_k": 10**30}, ["top_k"]),
    ({"min_p": "0.1"}, ["min_p", '"0.1"', "a number"]),
    ({"min_p": [[]]}, ["min_p", "[[]]"]),
    ({"frequency_penalty": 3}, ["frequency_penalty", "3", "2"]),
    ({"repetition_penalty": 0}, ["repetition_penalty", "0.01"]),
    ({"ignore_eos": 1}, ["ignore_eos", "1", "true or false"]),
    ({"logit_bias": 1}, ["logit_bias", "1", "an object"]),
    ({"logit_bias": {"word": 1}}, ["logit_bias", '"word"', "the id of a token"]),
    ({"logit_bias": {"-1": 1}}, ["logit_bias", '"-1"']),
    ({"logit_bias": {"²": 1}}, ["logit_bias", "²"]),
    ({"logit_bias": {"9" * 5000: 1}}, ["logit_bias", "999"]),
    ({"logit_bias": {"1": False}}, ["logit_bias[1]", "false"]),
    ({"logit_bias": {"1": 101}}, ["logit_bias[1]", "101", "100"]),
    ({"logit_bias": [[1, 2, 3]]}, ["logit_bias", "[1,2,3]", "a pair"]),
    ({"logit_bias": [1]}, ["logit_bias", "1", "a pair"]),
    ({"logit_bias": dict.fromkeys(map(str, range(1001)), 0)}, ["logit_bias", "1001", "1000"]),
]


@pytest.mark.parametrize("fields", VALID)
def test_valid_fields_are_returned(fields):
    assert decode_sampling({**fields, "model": "m"}) == fields


@pytest.mark.parametrize(("fields", "named"), INVALID)
def test_an_invalid_field_is_named_with_its_value(fields, named):
    with pytest.raises(RequestError) as caught:
        decode_sampling(fields)

    assert caught.value.code == "1214"
    assert len(caught.value.message) < 200
    for word in named:
        assert word in caught.value.message


def test_a_bias_may_be_given_in_pairs():
    assert decode_sampling({"logit_bias": [[7, -1.5], ["9", 2]]}) == {"logit_bias": {"7": -1.5, "9": 2}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), st.lists
)


@given(st.dictionaries(st.sampled_from(sorted(SAMPLING_FIELDS)), JSON, min_size=1))
def test_any_other_value_is_an_error_that_names_its_field(fields):
    try:
        sampling = decode_sampling(fields)
    except RequestError as error:
        message = error.message
        assert any(name in message for name in fields)
    else:
        assert decode_sampling(sampling) == sampling
