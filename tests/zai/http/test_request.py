"""What the caller asked for → the body that is sent."""

import pytest

from zai.errors import ZaiError
from zai.http.request import encode_body


class Answer:
    """Of pydantic's kind."""

    def model_dump(self, *, exclude_unset):
        return {"type": "json_object"}


def test_an_object_of_pydantics_kind_is_sent_as_its_fields():
    assert encode_body({"response_format": Answer()}) == b'{"response_format":{"type":"json_object"}}'


def test_a_class_where_an_object_belongs_is_refused():
    with pytest.raises(ZaiError, match="the request cannot be encoded as JSON: .*type"):
        encode_body({"response_format": Answer})
