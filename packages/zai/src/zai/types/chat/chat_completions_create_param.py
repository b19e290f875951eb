"""The types of a chat request's arguments that are objects, under the names of PyPI's zai-sdk."""

from typing import Required, TypedDict

__all__ = ["CodeGeexContext", "CodeGeexExtra", "CodeGeexTarget", "Reference"]


class Reference(TypedDict, total=False):
    """Whether to search the web, and for what."""

    enable: bool | None
    search_query: str | None


class CodeGeexTarget(TypedDict, total=False):
    """The code to complete, before and after the cursor; `language` is a name such as "python"."""

    path: str | None
    language: Required[str]
    code_prefix: Required[str]
    code_suffix: Required[str]


class CodeGeexContext(TypedDict):
    """Another file of the project."""

    path: str
    code: str


class CodeGeexExtra(TypedDict, total=False):
    """The argument `extra` for a CodeGeeX model."""

    target: Required[CodeGeexTarget]
    contexts: list[CodeGeexContext] | None
