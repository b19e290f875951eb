"""Finds a model's chat template in the files that come with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from headrace.engines.gguf import read_metadata, vocabulary_tokens
from headrace.errors import EngineError
from headrace.foreign_errors import reading
from headrace.prompts import ChatTemplate

__all__ = ["PLAIN", "PLAIN_STOPS", "TemplateSource", "find_template", "is_template", "model_template"]

_TOKENS: Final = frozenset({"bos_token", "eos_token", "unk_token", "pad_token"})
_WITH_TOOLS: Final = "tool_use"  # the name of transformers for a template for requests with tools


class TemplateSource(msgspec.Struct, frozen=True):
    """The source of a template and the special tokens that it may use.

    Args:
        text: Jinja source; "" if there is none.
        tokens: by variable, such as `bos_token`; None if the model's vocabulary is not known.
        path: of its file; "" for Jinja source.
        with_tools: Jinja source for requests with tools; "" if it is the same.
    """

    text: str
    tokens: dict[str, str] | None = None
    path: str = ""
    with_tools: str = ""

    def compile(self, *, writes_bos: bool, variables: Mapping[str, Any] | None = None) -> ChatTemplate:
        """Compile the template.

        Args:
            writes_bos: whether the template writes the first token; most servers add it themselves.
            variables: further variables of the template.

        Raises:
            EngineError: the template is not valid Jinja, or writes a token that is not known.
        """
        engine_writes = {} if writes_bos else {"bos_token": ""}
        try:
            return ChatTemplate(
                self.text,
                self.with_tools,
                tokens=self.tokens,
                variables={**engine_writes, **(variables or {})},
            )
        except EngineError as error:
            if not self.path:
                raise
            msg = f"cannot use {self.path}: {error.message}"
            raise EngineError(msg) from None


PLAIN: Final = TemplateSource(
    "{% for message in messages %}"
    "{% if message.role == 'system' %}{{ message.content }}\n\n"
    "{% elif message.role in ('user', 'assistant') %}"
    "{{ message.role | capitalize }}:\n{{ message.content }}\n\n"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}Assistant:\n{% endif %}",
    tokens={},
)
"""The template of a base model, which has none: a dialogue as plain text, which the model continues."""

PLAIN_STOPS: Final = ("\n\nUser:", "\nUser:")
"""What ends an answer in that dialogue."""


def find_template(place: str) -> TemplateSource:
    """Return the template in `place`.

    Args:
        place: path of a GGUF file, a Jinja or JSON file or a Hugging Face directory; or Jinja source.

    Raises:
        EngineError: the file cannot be read, or has no template.
    """
    if is_template(place):
        return TemplateSource(place)
    path = Path(place)
    if path.suffix == ".gguf":
        return _checked(model_template(path), path, "convert a model that has one, or set chat_template")
    with reading("the chat template", path):
        if path.is_dir():
            return _checked(
                _of_directory(path), path, "neither tokenizer_config.json nor chat_template.jinja has one"
            )
        if path.suffix == ".json":
            return _checked(_of_config(_read_json(path)), path, "it has no chat_template")
        config = path.with_name("tokenizer_config.json")
        tokens = _of_config(_read_json(config)).tokens if config.exists() else None
        return _checked(TemplateSource(_read_text(path), tokens), path, "it is empty")


def model_template(path: Path) -> TemplateSource:
    """Return the template of a GGUF file, regardless of its suffix. Its text is "" if the file has none.

    Raises:
        EngineError: the file cannot be read, or its template is not a text.
    """
    metadata = read_metadata(path)
    key = "tokenizer.chat_template"
    named = {
        name: metadata[full] for name in ("default", _WITH_TOOLS) if (full := f"{key}.{name}") in metadata
    }
    if key in metadata:
        named["default"] = metadata[key]
    if not all(isinstance(text, str) for text in named.values()):
        msg = f"{path}: {key} is not a text; convert the model again, or set chat_template"
        raise EngineError(msg)
    source = _of_named(named, vocabulary_tokens(path) if named else {})
    return msgspec.structs.replace(source, path=str(path))


def is_template(place: str) -> bool:
    """Return whether `place` is Jinja source, not a path."""
    return "{%" in place or "{{" in place


def _checked(source: TemplateSource, path: Path, otherwise: str) -> TemplateSource:
    if not source.text:
        msg = f"{path} has no chat template; {otherwise}"
        raise EngineError(msg)
    return msgspec.structs.replace(source, path=str(path))


def _of_directory(path: Path) -> TemplateSource:
    config = path / "tokenizer_config.json"
    source = _of_config(_read_json(config)) if config.exists() else TemplateSource("")
    for name in ("chat_template.jinja", "chat_template.json"):
        if (path / name).exists():
            of_file = find_template(str(path / name))
            source = msgspec.structs.replace(source, text=of_file.text, with_tools=of_file.with_tools)
            break
    for_tools = path / "additional_chat_templates" / f"{_WITH_TOOLS}.jinja"
    if for_tools.exists():
        source = msgspec.structs.replace(source, with_tools=_read_text(for_tools))
    return source


def _of_config(config: dict[str, Any]) -> TemplateSource:
    """Read a tokenizer configuration, where `chat_template` is a string or a list of named templates."""
    template = config.get("chat_template", "")
    if isinstance(template, list):
        template = {entry["name"]: entry["template"] for entry in template}
    tokens = {}
    for name in _TOKENS:
        token = config.get(name)
        token = token.get("content") if isinstance(token, dict) else token
        if token:
            tokens[name] = token
    is_tokenizers = any(name in config for name in _TOKENS)
    named = template if isinstance(template, dict) else {"default": template}
    return _of_named(named, tokens if is_tokenizers else None)


def _of_named(named: Mapping[str, str], tokens: dict[str, str] | None) -> TemplateSource:
    with_tools = named.get(_WITH_TOOLS, "")
    return TemplateSource(named.get("default") or with_tools, tokens, with_tools=with_tools)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(_read(path), type=dict[str, Any])
    except msgspec.DecodeError as error:
        msg = f"{path} is not valid JSON: {error}"
        raise EngineError(msg) from None


def _read_text(path: Path) -> str:
    return _read(path).decode("utf-8", "replace")


def _read(path: Path) -> bytes:
    with reading("the chat template", path):
        return path.read_bytes()
