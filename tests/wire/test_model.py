"""The methods of response objects."""

import copy
import json
import pickle
import weakref

import pytest

from headrace.wire.chunk import Chunk, ChunkChoice, Delta, Usage
from headrace.wire.decode import decode_chunk

ODD = (
    b'{"id":"1","x":{"y":[1]},"choices":[{"index":0,"delta":{"content":"a","z":null,"w":"v"}}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"cost":0.5}}'
)


@pytest.fixture
def odd():
    return decode_chunk(ODD)


def test_an_absent_field_is_none(odd):
    assert odd.model is None
    assert odd.choices[0].delta.tool_calls is None
    assert hasattr(odd.choices[0].delta, "reasoning_content")


def test_unknown_fields_are_attributes_items_and_model_extra(odd):
    assert odd.x == {"y": [1]}
    assert odd["x"] == {"y": [1]}
    assert odd.choices[0].delta.model_extra == {"z": None, "w": "v"}
    assert odd.usage.cost == 0.5


def test_a_missing_field_raises_pythons_own_errors(odd):
    with pytest.raises(AttributeError):
        _ = odd.nowhere
    with pytest.raises(KeyError):
        odd["nowhere"]
    assert odd.get("nowhere") is None
    assert odd.get("model", "default") == "default"
    assert odd.get("id") == "1"


def test_attributes_can_be_set(odd):
    odd.choices[0].delta.content += "b"
    odd.mine = 1

    assert odd.choices[0].delta.content == "ab"
    assert odd.to_dict()["mine"] == 1


def test_dumps_contain_every_received_field(odd):
    plain = json.loads(ODD)
    del plain["choices"][0]["delta"]["z"]  # null is absent

    assert odd.to_dict() == plain
    assert json.loads(odd.to_json()) == plain
    assert odd.model_dump(exclude_none=True) == plain
    assert json.loads(odd.model_dump_json(exclude_unset=True)) == plain
    assert dict(odd.items()) == plain
    assert set(odd.keys()) == set(plain)
    assert list(odd.values()) == list(odd.to_dict().values())


def test_model_dump_includes_declared_fields_that_are_none_like_pydantic(odd):
    dumped = odd.model_dump()

    assert dumped["model"] is None
    assert dumped["choices"][0]["delta"]["role"] is None
    assert json.loads(odd.model_dump_json()) == dumped


def test_model_dump_includes_and_excludes_fields_like_pydantic(odd):
    dumped = odd.model_dump()

    assert odd.model_dump(include={"id", "x", "nowhere"}) == {"id": "1", "x": {"y": [1]}}
    assert odd.model_dump(include=set()) == {}
    assert odd.model_dump(exclude={"id", "nowhere"}) == {
        name: item for name, item in dumped.items() if name != "id"
    }
    assert odd.model_dump(include={"id", "x"}, exclude={"x"}) == {"id": "1"}
    assert odd.model_dump(exclude_defaults=True, mode="json") == odd.model_dump(exclude_none=True)
    assert json.loads(odd.model_dump_json(include={"id"})) == {"id": "1"}
    for name in ("include", "exclude"):
        with pytest.raises(TypeError, match="a set of names"):
            odd.model_dump(**{name: {"choices": {0: True}}})


def test_json_is_indented_on_request(odd):
    assert "\n" not in odd.model_dump_json()
    assert "\n" not in odd.to_json(indent=None)
    assert "\n  " in odd.to_json()
    assert "\n    " in odd.model_dump_json(indent=4)


@pytest.mark.parametrize(
    "clone",
    [
        copy.copy,
        copy.deepcopy,
        *[lambda value, protocol=p: pickle.loads(pickle.dumps(value, protocol)) for p in (2, 5)],
    ],
)
def test_copies_are_equal_and_keep_undeclared_fields(odd, clone):
    other = clone(odd)

    assert other == odd
    assert other is not odd
    assert other.x == {"y": [1]}
    other.id = "2"
    assert other != odd


def test_a_deep_copy_shares_nothing_and_a_shallow_one_its_parts(odd):
    assert copy.copy(odd).choices is odd.choices
    assert copy.deepcopy(odd).choices[0] is not odd.choices[0]


def test_equality_compares_the_class_and_undeclared_fields():
    assert Delta(content="a") == Delta(content="a")
    assert Delta(content="a") != Delta(content="b")
    assert Delta() != Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)
    assert Delta(content="a").with_extras({"x": 1}) != Delta(content="a")
    with pytest.raises(TypeError):
        hash(Delta())


def test_repr_shows_the_fields_that_are_present(odd):
    assert repr(odd.choices[0]) == "ChunkChoice(index=0, delta=Delta(content='a', w='v'))"


def test_weak_references_work(odd):
    assert weakref.ref(odd)() is odd


def test_objects_can_be_created_with_keywords():
    chunk = Chunk(id="1", choices=[ChunkChoice(index=0, delta=Delta(content="a"))])

    assert chunk.to_dict() == {"id": "1", "choices": [{"index": 0, "delta": {"content": "a"}}]}
