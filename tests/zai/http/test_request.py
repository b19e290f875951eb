"""Encoding of request bodies."""

import pytest

from zai.errors import ZaiError
from zai.http.request import encode_body


class Answer:
    """Has the method of a pydantic model."""

    def model_dump(self, *, exclude_unset):
        return {"type": "json_object"}


def test_a_pydantic_model_is_sent_as_its_fields():
    assert encode_body({"response_format": Answer()}) == b'{"response_format":{"type":"json_object"}}'


def test_a_class_instead_of_an_object_raises():
    with pytest.raises(ZaiError, match="the request cannot be encoded as JSON: .*type"):
        encode_body({"response_format": Answer})
