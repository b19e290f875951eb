import math
import struct

import pytest

from headrace.engines.gguf import ArrayLength, check_metadata, read_metadata, special_tokens
from headrace.errors import EngineError


def text(value):
    return struct.pack("<Q", len(value)) + value.encode()


def gguf(*pairs, version=3):
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(pairs)) + b"".join(pairs)


WHOLE = gguf(
    text("general.architecture") + struct.pack("<I", 8) + text("glm4moe"),
    text("glm4moe.context_length") + struct.pack("<II", 4, 4096),
    text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 100) + text("a") * 100,
    text("tokenizer.ggml.scores") + struct.pack("<IIQ", 9, 6, 100) + bytes(400),
    text("small") + struct.pack("<IIQ", 9, 7, 2) + b"\1\0",
)


def test_scalars_and_short_arrays_are_read_and_long_arrays_counted(tmp_path):
    path = tmp_path / "a.gguf"
    path.write_bytes(WHOLE)

    assert read_metadata(path) == {
        "general.architecture": "glm4moe",
        "glm4moe.context_length": 4096,
        "tokenizer.ggml.tokens": 100,
        "tokenizer.ggml.scores": 100,
        "small": [True, False],
    }


@pytest.mark.parametrize("length", range(0, 120, 7))
def test_a_truncated_file_is_named(tmp_path, length):
    path = tmp_path / "cut.gguf"
    path.write_bytes(WHOLE[:length])

    with pytest.raises(EngineError, match="cut.gguf is not a usable GGUF"):
        read_metadata(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(EngineError, match="nowhere.gguf"):
        read_metadata(tmp_path / "nowhere.gguf")


@pytest.mark.parametrize(
    "content",
    [
        b"<html>not a model</html>" * 9,
        gguf(version=99),
        gguf(struct.pack("<Q", 2**63 - 1)),
        gguf(text("a") + struct.pack("<I", 8) + struct.pack("<Q", 2**40)),
        gguf(text("a") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 5000),
        gguf(text("a") + struct.pack("<I", 9) + struct.pack("<IQ", 10, 2**63 - 1)),
    ],
)
def test_a_file_of_another_format_is_rejected(tmp_path, content):
    path = tmp_path / "page.gguf"
    path.write_bytes(content)

    with pytest.raises(EngineError, match="not a usable GGUF"):
        read_metadata(path)


@pytest.mark.parametrize("key", ["layer_norm_epsilon", "layer_norm_rms_epsilon", "group_norm_epsilon"])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_an_invalid_epsilon_is_rejected(tmp_path, key, value):
    metadata = {"general.architecture": "glm4moe", f"glm4moe.attention.{key}": value}

    with pytest.raises(EngineError, match=f"inconsistent: glm4moe.attention.{key} is"):
        check_metadata(tmp_path / "a.gguf", metadata)


def test_an_absurd_context_is_rejected(tmp_path):
    metadata = {"general.architecture": "llama", "llama.context_length": 2**31 - 1}

    with pytest.raises(EngineError, match="inconsistent: llama.context_length is 2147483647"):
        check_metadata(tmp_path / "a.gguf", metadata)


def test_a_usual_epsilon_is_accepted(tmp_path):
    metadata = {"general.architecture": "glm4moe", "tokenizer.ggml.tokens": ["a"]}

    check_metadata(tmp_path / "a.gguf", metadata | {"glm4moe.attention.layer_norm_rms_epsilon": 1e-5})


def test_a_file_without_a_vocabulary_is_rejected(tmp_path):
    for metadata in ({}, {"tokenizer.ggml.tokens": ArrayLength(0)}, {"tokenizer.ggml.tokens": []}):
        with pytest.raises(EngineError, match="a.gguf has no tokenizer"):
            check_metadata(tmp_path / "a.gguf", metadata)


def pair(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def strings(*values):
    return struct.pack("<IQ", 8, len(values)) + b"".join(struct.pack("<Q", len(v)) + v for v in values)


def numbers(*values):
    return struct.pack(f"<IQ{len(values)}i", 5, len(values), *values)


def written(tmp_path, *pairs):
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf(*pairs))
    return path


WRONG_VALUES = ["64", [64], ArrayLength(100), True, {}]


@pytest.mark.parametrize("value", WRONG_VALUES, ids=repr)
@pytest.mark.parametrize(
    "key",
    [
        *("rope.dimension_count", "attention.key_length", "context_length", "block_count"),
        *("expert_count", "expert_used_count", "attention.layer_norm_epsilon"),
    ],
)
def test_a_value_of_the_wrong_type_is_rejected(tmp_path, key, value):
    metadata = {"general.architecture": "llama", "llama.expert_used_count": 1, "llama.expert_count": 2}

    with pytest.raises(EngineError, match=f"llama.{key} is"):
        check_metadata(tmp_path / "a.gguf", metadata | {f"llama.{key}": value})


@pytest.mark.parametrize("value", WRONG_VALUES, ids=repr)
def test_a_general_type_of_the_wrong_type_is_rejected(tmp_path, value):
    with pytest.raises(EngineError, match="is not a model but"):
        check_metadata(tmp_path / "a.gguf", {"general.type": value})


@pytest.mark.parametrize(
    "pairs",
    [
        [pair("tokenizer.ggml.tokens", 4, struct.pack("<I", 1))],
        [pair("tokenizer.ggml.tokens", 9, numbers(1, 2))],
        [pair("tokenizer.ggml.tokens", 9, strings(b"a")), pair("tokenizer.ggml.token_type", 4, bytes(4))],
        [
            pair("tokenizer.ggml.tokens", 9, strings(b"a")),
            pair("tokenizer.ggml.token_type", 9, strings(b"a")),
        ],
    ],
)
def test_a_vocabulary_of_the_wrong_type_is_rejected(tmp_path, pairs):
    with pytest.raises(EngineError, match="not a list of texts or numbers"):
        special_tokens(written(tmp_path, *pairs))


@pytest.mark.parametrize("names", [(b"a", b"b", b"a"), (b"[EMPTY_1]", b""), (b"\xff", b"b", b"\xff")])
def test_a_token_that_occurs_twice_is_rejected(tmp_path, names):
    """llama.cpp aborts the process."""
    with pytest.raises(EngineError, match="a token occurs twice"):
        special_tokens(written(tmp_path, pair("tokenizer.ggml.tokens", 9, strings(*names))))


def test_tokens_of_different_bytes_are_different(tmp_path):
    names = strings(b"\xff", b"\xfe", b"", b"", b"<s>")
    kinds = pair("tokenizer.ggml.token_type", 9, numbers(1, 1, 1, 1, 3))

    assert special_tokens(written(tmp_path, pair("tokenizer.ggml.tokens", 9, names), kinds)) == {"<s>": 4}


@pytest.mark.parametrize("kind", [0, 4, 8, 10, 12])
@pytest.mark.parametrize("length", [2**20, 2**40, 2**62 + 1, 2**64 - 1])
def test_an_array_longer_than_the_file_is_cut_off(tmp_path, kind, length):
    path = written(tmp_path, pair("k", 9, struct.pack("<IQ", kind, length) + b"a"))

    with pytest.raises(EngineError, match="it is cut off|more than [0-9]+ texts"):
        read_metadata(path)


def test_a_file_of_endless_empty_texts_is_refused_before_they_are_read(tmp_path):
    path = written(tmp_path, pair("k", 9, struct.pack("<IQ", 8, 2**40)))
    with path.open("r+b") as file:
        file.truncate(2**34)  # zeros, which take no room

    with pytest.raises(EngineError, match="more than [0-9]+ texts"):
        read_metadata(path)


def test_a_key_that_occurs_twice_is_rejected(tmp_path):
    with pytest.raises(EngineError, match="has the key 'k' twice"):
        read_metadata(written(tmp_path, pair("k", 4, bytes(4)), pair("k", 4, bytes(4))))


def test_an_empty_file_is_rejected(tmp_path):
    path = tmp_path / "a.gguf"
    path.touch()

    with pytest.raises(EngineError, match="a.gguf is not a usable GGUF file"):
        read_metadata(path)
