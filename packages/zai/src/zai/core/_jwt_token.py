"""Where PyPI's zai-sdk keeps its token; programs import it from here too."""

from zai.http.auth import generate_token

__all__ = ["generate_token"]
