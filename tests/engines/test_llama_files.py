"""Missing, truncated, foreign and inconsistent model files: the error names the file, and the process survives."""

import struct
import sys

import pytest

from headrace.engines.llama import LlamaEngine
from headrace.errors import EngineError
from headrace_tiny import model_path

MODEL = model_path().read_bytes()
UNSIGNED = struct.pack("<I", 4)
SHORT_STRING = struct.pack("<I", 8)


def with_number(key, value):
    """Return the model with another value of an unsigned number in its metadata."""
    at = MODEL.index(key.encode() + UNSIGNED) + len(key) + 4
    return MODEL[:at] + struct.pack("<I", value) + MODEL[at + 4 :]


def without(key):
    at = MODEL.index(key.encode() + UNSIGNED)
    return MODEL[:at] + b"x" + MODEL[at + 1 :]


def with_text(key, old, new):
    at = MODEL.index(key.encode() + SHORT_STRING) + len(key) + 4
    assert len(old) == len(new)
    return MODEL[:at] + MODEL[at:].replace(old.encode(), new.encode(), 1)


def refuse(path, content, named, *, names_file=True):
    path.write_bytes(content)
    with pytest.raises(EngineError, match=named) as caught:
        LlamaEngine(path, slots=1, context=256)
    assert (str(path) in caught.value.message) == names_file


@pytest.mark.parametrize("length", [0, 3, 24, 5_000, 100_000, len(MODEL) // 2, len(MODEL) - 1])
def test_a_truncated_file_is_rejected(tmp_path, length):
    refuse(tmp_path / "cut.gguf", MODEL[:length], "GGUF|llama.cpp cannot run")


@pytest.mark.parametrize("content", [b"<html>404</html>" * 99, bytes(100_000), b"GGUF" + b"\xff" * 1000])
def test_a_file_of_another_format_is_rejected(tmp_path, content):
    refuse(tmp_path / "page.gguf", content, "not a usable GGUF")


def test_a_directory_and_a_missing_file_are_named(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere.gguf"):
        with pytest.raises(EngineError, match="cannot read the model file"):
            LlamaEngine(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("glm4moe.context_length", 0),
        ("glm4moe.context_length", 2**32 - 1),
        ("glm4moe.block_count", 0),
        ("glm4moe.block_count", 1_000_000),
        ("glm4moe.rope.dimension_count", 0),
        ("glm4moe.rope.dimension_count", 3),
        ("glm4moe.rope.dimension_count", 1_000_000),
        ("glm4moe.expert_count", 0),
        ("glm4moe.expert_count", 1),
        ("glm4moe.expert_count", 1_000_000),
        ("glm4moe.expert_used_count", 0),
        ("glm4moe.expert_used_count", 9),
        ("glm4moe.expert_gating_func", 77),
    ],
)
def test_metadata_on_which_llama_cpp_aborts_is_rejected(tmp_path, key, value):
    refuse(tmp_path / "odd.gguf", with_number(key, value), f"inconsistent: .*{key.rpartition('.')[2]}")


@pytest.mark.parametrize("key", ["glm4moe.expert_count", "glm4moe.expert_used_count"])
def test_a_missing_number_of_experts_is_rejected(tmp_path, key):
    refuse(tmp_path / "odd.gguf", without(key), "inconsistent")


@pytest.mark.parametrize(
    "content",
    [
        with_text("general.architecture", "glm4moe", "glm9abc").replace(b"glm4moe.", b"glm9abc."),
        with_text("tokenizer.ggml.pre", "glm4", "glm9"),
        with_number("glm4moe.embedding_length", 1),
        with_number("glm4moe.attention.head_count", 1_000_000),
    ],
)
def test_a_file_that_llama_cpp_cannot_load_is_rejected(tmp_path, content):
    refuse(tmp_path / "foreign.gguf", content, "llama.cpp cannot run")


def test_a_file_that_is_not_a_language_model_is_rejected(tmp_path):
    refuse(
        tmp_path / "adapter.gguf", with_text("general.type", "model", "mmpro"), "is not a model but 'mmpro'"
    )


def test_a_missing_package_is_reported_with_the_extra_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)

    refuse(tmp_path / "model.gguf", MODEL, r"install headrace\[llama\]", names_file=False)


def test_a_missing_system_library_is_reported_without_asking_for_an_installed_package(tmp_path, monkeypatch):
    (tmp_path / "xllamacpp.py").write_text(
        "raise ImportError('libgomp.so.1: cannot open shared object file')"
    )
    monkeypatch.delitem(sys.modules, "xllamacpp", raising=False)
    monkeypatch.syspath_prepend(tmp_path)

    refuse(
        tmp_path / "model.gguf",
        MODEL,
        r"libgomp\.so\.1(?!.*pip install).*apt install libgomp1",
        names_file=False,
    )
