"""The metadata of a GGUF file, read from its header and checked before llama.cpp loads the file.

llama.cpp aborts the process on some invalid files.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import struct
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from headrace.errors import EngineError
from headrace.foreign_errors import reading

__all__ = ["check_metadata", "read_metadata", "special_tokens"]

_MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
_SCALARS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING: Final = 8
_ARRAY: Final = 9
_MAX_KEPT_ARRAY: Final = 64  # vocabularies are skipped
_NAMES: Final = "tokenizer.ggml.tokens"
_KINDS: Final = "tokenizer.ggml.token_type"
_SPECIAL: Final = (3, 4)  # control, user-defined
_MAX_STRING: Final = 2**24  # bytes; a chat template has some thousands
_LIMITS: Final = {
    "attention.group_norm_epsilon": (0, 1),
    "attention.layer_norm_epsilon": (0, 1),
    "attention.layer_norm_rms_epsilon": (0, 1),
    "context_length": (1, 2**24),
    "block_count": (1, 512),
    "expert_count": (1, 1024),
    "expert_used_count": (1, 1024),
    "expert_gating_func": (0, 4),
    "rope.dimension_count": (2, 2**16),
}
"""Outside these ranges llama.cpp does not reject the file but aborts the process, or hangs."""


def read_metadata(path: Path, arrays: Container[str] = ()) -> dict[str, Any]:
    """Read every key of the header; of a long array only its length, unless it is in `arrays`.

    Raises:
        EngineError: the file does not exist, or its header is invalid or truncated.
    """
    try:
        with reading("the model file", path), path.open("rb") as file:
            return _read(file, arrays)
    except (ValueError, OverflowError) as error:
        msg = f"{path} is not a usable GGUF file: {error}; download or convert it again"
        raise EngineError(msg) from None


def special_tokens(path: Path) -> dict[str, int]:
    """Return the ids of the special tokens by name.

    Raises:
        EngineError: as `read_metadata`.
    """
    metadata = read_metadata(path, {_NAMES, _KINDS})
    typed = zip(metadata.get(_NAMES, ()), metadata.get(_KINDS, ()), strict=False)
    return {name: number for number, (name, kind) in enumerate(typed) if name and kind in _SPECIAL}


def check_metadata(path: Path, metadata: Mapping[str, Any]) -> None:
    """Reject files on which llama.cpp aborts the process, and files that are not language models.

    Raises:
        EngineError: names the key and its value.
    """
    kind = metadata.get("general.type", "model")
    if kind != "model":
        msg = f"{path} is not a model but {kind!r} (general.type); use the model's own file"
        raise EngineError(msg)
    architecture = metadata.get("general.architecture", "")
    own = {key.removeprefix(f"{architecture}."): value for key, value in metadata.items()}
    if any(key.startswith("expert_") for key in own):
        own = {"expert_count": 0, "expert_used_count": 0, **own}
    for key, (least, most) in _LIMITS.items():
        value = own.get(key, least)
        if isinstance(value, int | float) and not least <= value <= most:
            raise _inconsistent(path, f"{architecture}.{key} is {value}, not {least} to {most}")
    if own.get("expert_used_count", 0) > own.get("expert_count", 0):
        raise _inconsistent(path, f"{architecture}.expert_used_count is greater than expert_count")
    rotated, head = own.get("rope.dimension_count", 0), own.get("attention.key_length")
    if rotated % 2 or rotated > (head or rotated):
        raise _inconsistent(path, f"{architecture}.rope.dimension_count is {rotated}")


def _inconsistent(path: Path, what: str) -> EngineError:
    return EngineError(f"{path} is inconsistent: {what}; download or convert it again")


def _read(file: BinaryIO, arrays: Container[str]) -> dict[str, Any]:
    if file.read(4) != _MAGIC:
        msg = "it does not start with GGUF"
        raise ValueError(msg)
    version, _tensors, pairs = _unpack(file, "IQQ")
    if version not in _VERSIONS:
        msg = f"unknown version {version}"
        raise ValueError(msg)
    return dict(_pair(file, arrays) for _ in range(pairs))


def _pair(file: BinaryIO, arrays: Container[str]) -> tuple[str, Any]:
    key = _string(file)
    (kind,) = _unpack(file, "I")
    return key, _value(file, kind, is_complete=key in arrays)


def _value(file: BinaryIO, kind: int, *, is_complete: bool = False) -> Any:
    if kind == _STRING:
        return _string(file)
    if kind == _ARRAY:
        item, length = _unpack(file, "IQ")
        if item == _ARRAY:
            msg = "it has nested arrays"
            raise ValueError(msg)
        is_kept = is_complete or length <= _MAX_KEPT_ARRAY
        if item in _SCALARS and not is_kept:
            file.seek(struct.calcsize("<" + _SCALARS[item]) * length, 1)
            return length
        values = [_value(file, item) for _ in range(length)]
        return values if is_kept else length
    if kind not in _SCALARS:
        msg = f"unknown value type {kind}"
        raise ValueError(msg)
    return _unpack(file, _SCALARS[kind])[0]


def _string(file: BinaryIO) -> str:
    (length,) = _unpack(file, "Q")
    if length > _MAX_STRING:
        msg = f"it has a string of {length} bytes"
        raise ValueError(msg)
    return _read_exactly(file, length).decode("utf-8", "replace")


def _unpack(file: BinaryIO, layout: str) -> tuple[Any, ...]:
    return struct.unpack("<" + layout, _read_exactly(file, struct.calcsize("<" + layout)))


def _read_exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        msg = "it is truncated"
        raise ValueError(msg)
    return data
