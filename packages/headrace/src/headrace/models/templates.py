"""Finds a model's chat template in the files that come with it."""

from pathlib import Path
from typing import Any

import msgspec

from headrace.engines.gguf import read_metadata
from headrace.errors import EngineError
from headrace.prompts import ChatTemplate

__all__ = ["TemplateSource", "find_template", "is_template", "model_template"]


class TemplateSource(msgspec.Struct, frozen=True):
    """The source of a template and the special tokens that it may use.

    Args:
        text: Jinja source; "" if there is none.
        tokens: by variable, such as `bos_token`.
    """

    text: str
    tokens: dict[str, str] = {}

    def compile(self, *, writes_bos: bool) -> ChatTemplate:
        """Compile the template.

        Args:
            writes_bos: whether the template writes the first token; most servers add it themselves.

        Raises:
            EngineError: the template is not valid Jinja.
        """
        return ChatTemplate(self.text, **self.tokens | ({} if writes_bos else {"bos_token": ""}))


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
        return model_template(path)
    if path.is_dir():
        source = _of_directory(path)
    elif path.suffix == ".json":
        source = _of_config(_read_json(path))
    else:
        config = path.with_name("tokenizer_config.json")
        tokens = _of_config(_read_json(config)).tokens if config.exists() else {}
        source = TemplateSource(_read(path).decode("utf-8", "replace"), tokens)
    return _checked(source, place)


def model_template(path: Path) -> TemplateSource:
    """Return the template of a GGUF file, regardless of its suffix.

    Raises:
        EngineError: the file cannot be read, or has no template.
    """
    # llama.cpp itself adds the first token if the model expects one.
    return _checked(TemplateSource(str(read_metadata(path).get("tokenizer.chat_template", ""))), path)


def is_template(place: str) -> bool:
    """Return whether `place` is Jinja source, not a path."""
    return "{%" in place or "{{" in place


def _checked(source: TemplateSource, place: str | Path) -> TemplateSource:
    if not source.text:
        msg = f"{place} has no chat template; convert a model that has one, or set template"
        raise EngineError(msg)
    return source


def _of_directory(path: Path) -> TemplateSource:
    config = path / "tokenizer_config.json"
    source = _of_config(_read_json(config)) if config.exists() else TemplateSource("")
    for name in ("chat_template.jinja", "chat_template.json"):
        if (path / name).exists():
            return msgspec.structs.replace(source, text=find_template(str(path / name)).text)
    return source


def _of_config(config: dict[str, Any]) -> TemplateSource:
    """Read a tokenizer configuration, where `chat_template` is a string or a list of named templates."""
    template = config.get("chat_template", "")
    if isinstance(template, list):
        named = {entry["name"]: entry["template"] for entry in template}
        template = named.get("tool_use") or named.get("default", "")
    tokens = {}
    for name in ("bos_token", "eos_token", "unk_token", "pad_token"):
        token = config.get(name)
        token = token.get("content") if isinstance(token, dict) else token
        if token:
            tokens[name] = token
    return TemplateSource(template, tokens)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(_read(path), type=dict[str, Any])
    except msgspec.DecodeError as error:
        msg = f"{path} is not valid JSON: {error}"
        raise EngineError(msg) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        msg = f"cannot read the chat template {path}: {error.strerror}"
        raise EngineError(msg) from None
