"""Finds a model's chat template in the files that come with it."""

from pathlib import Path
from typing import Any

import msgspec

from headrace.engines.gguf import read_metadata
from headrace.errors import EngineError
from headrace.foreign_errors import reading
from headrace.prompts import ChatTemplate

__all__ = ["TemplateSource", "find_template", "is_template", "model_template"]


class TemplateSource(msgspec.Struct, frozen=True):
    """The source of a template and the special tokens that it may use.

    Args:
        text: Jinja source; "" if there is none.
        tokens: by variable, such as `bos_token`.
        path: of its file; "" for Jinja source.
    """

    text: str
    tokens: dict[str, str] = {}
    path: str = ""

    def compile(self, *, writes_bos: bool) -> ChatTemplate:
        """Compile the template.

        Args:
            writes_bos: whether the template writes the first token; most servers add it themselves.

        Raises:
            EngineError: the template is not valid Jinja.
        """
        try:
            return ChatTemplate(self.text, **self.tokens | ({} if writes_bos else {"bos_token": ""}))
        except EngineError as error:
            if not self.path:
                raise
            msg = f"cannot use {self.path}: {error.message}"
            raise EngineError(msg) from None


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
    with reading("the chat template", path):
        if path.is_dir():
            return _checked(
                _of_directory(path), path, "neither tokenizer_config.json nor chat_template.jinja has one"
            )
        if path.suffix == ".json":
            return _checked(_of_config(_read_json(path)), path, "it has no chat_template")
        config = path.with_name("tokenizer_config.json")
        tokens = _of_config(_read_json(config)).tokens if config.exists() else {}
        return _checked(TemplateSource(_read(path).decode("utf-8", "replace"), tokens), path, "it is empty")


def model_template(path: Path) -> TemplateSource:
    """Return the template of a GGUF file, regardless of its suffix.

    Raises:
        EngineError: the file cannot be read, or has no template.
    """
    # llama.cpp itself adds the first token if the model expects one.
    text = read_metadata(path).get("tokenizer.chat_template", "")
    if not isinstance(text, str):
        msg = f"{path}: tokenizer.chat_template is not a text; convert the model again, or set chat_template"
        raise EngineError(msg)
    return _checked(TemplateSource(text), path, "convert a model that has one, or set template")


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
    with reading("the chat template", path):
        return path.read_bytes()
