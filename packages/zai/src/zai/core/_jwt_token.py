"""The path of `generate_token` in PyPI's zai-sdk."""

from zai.http.auth import generate_token

__all__ = ["generate_token"]
