import math
import struct

import pytest

from headrace.engines.gguf import check_metadata, read_metadata
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
    metadata = {"general.architecture": "glm4moe", "glm4moe.attention.layer_norm_rms_epsilon": 1e-5}

    check_metadata(tmp_path / "a.gguf", metadata)
