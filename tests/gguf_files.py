"""GGUF files that consist of metadata."""

import struct

__all__ = ["gguf"]


def gguf(path, metadata):
    """Write a file with texts, integers and lists of texts."""
    pairs = b"".join(_text(key) + _field(value) for key, value in metadata.items())
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(metadata)) + pairs)
    return path


def _text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _field(value):
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_text, value))
