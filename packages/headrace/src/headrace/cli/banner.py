"""What `headrace serve` prints when it is ready."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from headrace.configuration import Configuration, Settings
from headrace.formats import UNKNOWN
from headrace.models import Model, ModelRegistry
from headrace.models.names import ANY_NAME
from headrace.models.settings import LlamaSettings, ModelSettings, RecordedSettings, UpstreamSettings
from headrace.server.turn_endpoints import ANTHROPIC, PREFIXES
from headrace.turns import check_store
from headrace.turns.addresses import without_secrets

__all__ = ["Loaded", "banner"]

_DEMO_NOTE: Final = """\
  NOTE      the embedded demo model headrace-tiny answers to every name of Z.ai's chat models: a few
            million parameters, trained for short poems, small talk and tool calls. It is not GLM."""
_UNKNOWN_FAMILY: Final = """\
  NOTE      the family of {model} is unknown: its output is read as text (format {format}), and calls
            are JSON objects. If it writes calls as a known family does, set --format."""
_BASE_MODEL: Final = """\
  NOTE      {model} has no chat template: it continues the messages as plain text, and an answer ends at the
            next "User:". If it was trained for chat, set its template: --chat-template FILE."""
_SHOWN_NAMES: Final = 6
_WITHOUT_STORE: Final = {
    "fail": "Until it is available, requests for resumable turns get status 503.",
    "continue": "Until it is available, turns cannot be resumed.",
}


class Loaded(NamedTuple):
    """A model, its settings, and what was found out about its server."""

    model: Model
    settings: ModelSettings
    notes: Sequence[str]


def banner(loaded: Sequence[Loaded], registry: ModelRegistry, configuration: Configuration, url: str) -> str:
    """Describe a server.

    Args:
        loaded: its models.
        registry: finds them by name.
        configuration: where they come from.
        url: where it listens.
    """
    settings = configuration.settings
    lines = [f"headrace: serving {url}{PREFIXES[0]}  (also {', '.join((*PREFIXES[1:], ANTHROPIC))})"]
    for model, of_model, _ in loaded:
        names = [name for name in model.names if registry.find(name) is model]
        lines.append(f"  models    {_listed(names)}{_runner(of_model)}")
        if model.resources:
            lines.append(f"  llama     {model.resources}")
        if isinstance(of_model, LlamaSettings) and of_model.path is None:
            lines.append(_DEMO_NOTE)
        if model.default_stops:
            lines.append(_BASE_MODEL.format(model=names[0]))
        elif model.format in UNKNOWN and not of_model.format:
            lines.append(_UNKNOWN_FAMILY.format(model=names[0], format=model.format.name))
        if model.template is not None and (missing := model.template.findings.left_out):
            left_out = ", ".join(missing)
            lines.append(f"  NOTE      the chat template of {names[0]} leaves out: {left_out}")
    notes = dict.fromkeys(note for one in loaded for note in one.notes)
    lines += [f"  detected  {note}" for note in notes]
    lines += [f"  store     {without_secrets(settings.turns.store)}", f"  API keys  {_keys(settings)}"]
    if failure := check_store(settings.turns):
        lines.append(f"  WARNING   {failure}\n            {_WITHOUT_STORE[settings.turns.on_store_error]}")
    lines += [f"  WARNING   {warning}" for warning in configuration.warnings]
    return "\n".join(lines)


def _keys(settings: Settings) -> str:
    issued = ["those of `headrace keys`"] if settings.master_key else []
    number = len(settings.api_keys)
    file = f" and {settings.api_keys_file}" if settings.api_keys_file else ""
    fixed = [f"{number} from HEADRACE_API_KEYS{file}"] if number else []
    return ", and ".join([*issued, *fixed]) or "none: any program on this machine can call"


def _listed(names: Sequence[str]) -> str:
    """List names, only the first ones of many."""
    own = [name for name in names if name != ANY_NAME]
    hidden = len(own) - _SHOWN_NAMES
    more = [f"{hidden} more (GET /v1/models)"] if hidden > 0 else []
    any_other = ["any other name"] if ANY_NAME in names else []
    return ", ".join([*own[:_SHOWN_NAMES], *more, *any_other])


def _runner(settings: ModelSettings) -> str:
    match settings:
        case LlamaSettings(path=None):
            return ""
        case LlamaSettings() | RecordedSettings():
            return f": {settings.path}"
        case UpstreamSettings():
            urls = ", ".join(map(without_secrets, settings.url))
            return f": {settings.upstream_model or 'the same name'} at {urls}"
        case _:
            return ""
