"""The metadata of a GGUF file, read from its header and checked before llama.cpp loads the file.

llama.cpp aborts the process on some invalid files.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import struct
from collections.abc import Container, Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Final

from headrace.errors import EngineError
from headrace.foreign_errors import reading

__all__ = ["ArrayLength", "check_metadata", "read_metadata", "special_tokens", "vocabulary_tokens"]

_MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
_SCALARS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING: Final = 8
_ARRAY: Final = 9
_MAX_KEPT_ARRAY: Final = 64  # vocabularies are skipped
_NAMES: Final = "tokenizer.ggml.tokens"
_KINDS: Final = "tokenizer.ggml.token_type"
_TOKEN_IDS: Final = {
    "bos_token": "tokenizer.ggml.bos_token_id",
    "eos_token": "tokenizer.ggml.eos_token_id",
    "unk_token": "tokenizer.ggml.unknown_token_id",
    "pad_token": "tokenizer.ggml.padding_token_id",
}
_SPECIAL: Final = (2, 3, 4)  # unknown, control, user-defined: llama.cpp recognizes their names
_MAX_STRING: Final = 2**24  # bytes; a chat template has some thousands
_MAX_STRINGS: Final = (
    2**22
)  # in the arrays of a file; the largest vocabularies have 800,000 with their merges
_MAX_METADATA: Final = 2**28  # bytes; those vocabularies take 20 MB
_SHOWN: Final = 80  # characters of a value, in messages
_LIMITS: Final = {
    "attention.group_norm_epsilon": (0, 1),
    "attention.layer_norm_epsilon": (0, 1),
    "attention.layer_norm_rms_epsilon": (0, 1),
    "attention.key_length": (1, 2**16),
    "context_length": (1, 2**24),
    "block_count": (1, 512),
    "expert_count": (1, 1024),
    "expert_used_count": (1, 1024),
    "expert_gating_func": (0, 4),
    "rope.dimension_count": (2, 2**16),
}
"""Outside these ranges llama.cpp does not reject the file but aborts the process, or hangs."""


class ArrayLength(int):
    """The length of an array that was skipped, in place of its items."""


def read_metadata(path: Path, arrays: Container[str] = ()) -> dict[str, Any]:
    """Read every key of the header; of a long array only its length, unless it is in `arrays`.

    Raises:
        EngineError: the file does not exist, or its header is invalid or truncated.
    """
    try:
        with (
            reading("the model file", path),
            path.open("rb") as file,
            mmap(file.fileno(), 0, access=ACCESS_READ) as data,
        ):
            return _Header(data, arrays).read()
    except ValueError as error:
        msg = f"{path} is not a usable GGUF file: {error}; download or convert it again"
        raise EngineError(msg) from None


def special_tokens(path: Path) -> dict[str, int]:
    """Return the ids of the special tokens by name, of a vocabulary that llama.cpp accepts.

    Raises:
        EngineError: as `read_metadata`, or the vocabulary is invalid.
    """
    metadata = read_metadata(path, {_NAMES, _KINDS})
    names, kinds = metadata.get(_NAMES, []), metadata.get(_KINDS, [])
    if not _is_list_of(str, names) or not _is_list_of(int, kinds):
        raise _inconsistent(path, f"{_NAMES} or {_KINDS} is not a list of texts or numbers")
    # As llama.cpp does, which aborts the process if two tokens have the same name.
    distinct = {name or f"[EMPTY_{number}]" for number, name in enumerate(names)}
    if len(distinct) < len(names):
        raise _inconsistent(path, f"a token occurs twice in {_NAMES}")
    typed = zip(names, kinds, strict=False)
    return {name: number for number, (name, kind) in enumerate(typed) if name and kind in _SPECIAL}


def vocabulary_tokens(path: Path) -> dict[str, str]:
    """Return the tokens that a chat template may write by their variables, such as `bos_token`.

    Raises:
        EngineError: as `read_metadata`.
    """
    metadata = read_metadata(path, {_NAMES})
    names = metadata.get(_NAMES, [])
    ids = {variable: metadata.get(key) for variable, key in _TOKEN_IDS.items()}
    if not _is_list_of(str, names):
        return {}
    return {
        variable: names[id]
        for variable, id in ids.items()
        if type(id) is int and 0 <= id < len(names) and names[id].isprintable()
    }


def check_metadata(path: Path, metadata: Mapping[str, Any]) -> None:
    """Reject files on which llama.cpp aborts the process, and files that are not language models.

    Raises:
        EngineError: names the key and its value.
    """
    kind = metadata.get("general.type", "model")
    if kind != "model":
        msg = f"{path} is not a model but {_show(kind)} (general.type); use the model's own file"
        raise EngineError(msg)
    architecture = metadata.get("general.architecture", "")
    own = {key.removeprefix(f"{architecture}."): value for key, value in metadata.items()}
    if any(key.startswith("expert_") for key in own):
        own = {"expert_count": 0, "expert_used_count": 0, **own}
    for key, (least, most) in _LIMITS.items():
        value = own.get(key, least)
        if type(value) not in (int, float) or not least <= value <= most:
            raise _inconsistent(path, f"{architecture}.{key} is {_show(value)}, not {least} to {most}")
    if own.get("expert_used_count", 0) > own.get("expert_count", 0):
        raise _inconsistent(path, f"{architecture}.expert_used_count is greater than expert_count")
    rotated, head = own.get("rope.dimension_count", 0), own.get("attention.key_length")
    if rotated % 2 or rotated > (head or rotated):
        raise _inconsistent(path, f"{architecture}.rope.dimension_count is {rotated}")
    if not metadata.get(_NAMES):
        msg = f"{path} has no tokenizer ({_NAMES}); use a file that was converted with one"
        raise EngineError(msg)


def _is_list_of(kind: type, value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is kind for item in value)


def _inconsistent(path: Path, what: str) -> EngineError:
    return EngineError(f"{path} is inconsistent: {what}; download or convert it again")


def _show(value: Any) -> str:
    text = f"an array of {value:d}" if isinstance(value, ArrayLength) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


class _Header:
    """The reader of a file's header. Its methods raise `ValueError` if it is invalid."""

    def __init__(self, data: mmap, arrays: Container[str]) -> None:
        self._data = data
        self._arrays = arrays
        self._at = 0
        self._strings = 0  # in arrays

    def read(self) -> dict[str, Any]:
        if self._data[: self._skip(4)] != _MAGIC:
            msg = "it does not start with GGUF"
            raise ValueError(msg)
        version, _tensors, pairs = self._unpack("IQQ")
        if version not in _VERSIONS:
            msg = f"unknown version {version}"
            raise ValueError(msg)
        metadata: dict[str, Any] = {}
        for _ in range(pairs):
            key = self._string()
            if key in metadata:
                msg = f"it has the key {_show(key)} twice"
                raise ValueError(msg)
            (kind,) = self._unpack("I")
            metadata[key] = self._array(key) if kind == _ARRAY else self._value(kind)
        return metadata

    def _array(self, key: str) -> list[Any] | ArrayLength:
        item, length = self._unpack("IQ")
        is_kept = key in self._arrays or length <= _MAX_KEPT_ARRAY
        if item in _SCALARS:
            layout = f"{length}{_SCALARS[item]}"
            start, end = self._at, self._skip(length * struct.calcsize("<" + _SCALARS[item]))
            return (
                list(struct.unpack(f"<{layout}", self._data[start:end])) if is_kept else ArrayLength(length)
            )
        if item != _STRING:
            msg = "it has nested arrays"
            raise ValueError(msg)
        self._strings += length
        if self._strings > _MAX_STRINGS:
            msg = f"it has arrays of more than {_MAX_STRINGS} texts"
            raise ValueError(msg)
        if is_kept:
            return [self._string("surrogateescape") for _ in range(length)]  # tokens may be any bytes
        for _ in range(length):
            self._skip(self._unpack("Q")[0])
        return ArrayLength(length)

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind not in _SCALARS:
            msg = f"unknown value type {kind}"
            raise ValueError(msg)
        return self._unpack(_SCALARS[kind])[0]

    def _string(self, errors: str = "replace") -> str:
        (length,) = self._unpack("Q")
        if length > _MAX_STRING:
            msg = f"it has a text of {length} bytes"
            raise ValueError(msg)
        end = self._skip(length)
        return self._data[end - length : end].decode("utf-8", errors)

    def _unpack(self, layout: str) -> tuple[Any, ...]:
        start = self._at
        self._skip(struct.calcsize("<" + layout))
        return struct.unpack_from("<" + layout, self._data, start)

    def _skip(self, size: int) -> int:
        """Move past `size` bytes; return the position after them."""
        self._at += size
        if self._at > len(self._data):
            msg = "it is cut off"
            raise ValueError(msg)
        if self._at > _MAX_METADATA:
            msg = f"its metadata is longer than {_MAX_METADATA} bytes"
            raise ValueError(msg)
        return self._at
