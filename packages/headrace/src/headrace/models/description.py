"""What a model can do, as clients learn it from `GET …/models`: from its settings and its chat template.

What is not known, because another server renders the prompt, is absent.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from headrace.models.registry import Model
from headrace.prompts.probes import CALLS, RESULTS, TOOLS

__all__ = ["Capabilities", "ModelDescription", "describe", "describe_all"]

_CODEX_INSTRUCTIONS: Final = """\
You are Codex, a coding agent in a terminal on the user's computer. Continue until the task is done.

- Read the relevant files before you change anything. Follow AGENTS.md files, and the style of the code.
- Change files with the apply_patch tool; run commands with the shell. Prefer rg for searches.
- Make the smallest change that solves the task at its cause. Do not touch unrelated code.
- Run the tests or programs that show that it works, and report honestly what failed.
- Answer briefly: what changed, where, and what remains."""
"""They replace those that Codex has for models that it knows."""

_LOOP: Final = frozenset({TOOLS, CALLS, RESULTS})


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What requests may use.

    Args:
        tools: tools, and their results.
        thinking_switch: `thinking.type` decides whether the model thinks.
        reasoning_efforts: levels of `reasoning_effort` that differ; others mean the nearest one.
        images: `image_url` parts.
        structured_output: JSON Schemas are enforced.
    """

    tools: bool | msgspec.UnsetType = msgspec.UNSET
    thinking_switch: bool | msgspec.UnsetType = msgspec.UNSET
    reasoning_efforts: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    images: bool
    structured_output: bool | msgspec.UnsetType = msgspec.UNSET


class ModelDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A model as OpenAI and Anthropic document it, with what it can do.

    Args:
        id: its name.
        display_name: the same.
        context_length: tokens of prompt and answer together.
        capabilities: what requests may use.
    """

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "headrace"
    type: str = "model"
    display_name: str
    created_at: str = "1970-01-01T00:00:00Z"
    context_length: int | msgspec.UnsetType = msgspec.UNSET
    capabilities: Capabilities


def describe(model: Model, name: str) -> ModelDescription:
    """Return the description of a model under one of its names."""
    template = model.template
    if template is None:
        capabilities = Capabilities(images=model.accepts_images)
    else:
        findings = template.findings
        capabilities = Capabilities(
            tools=not findings.drops_results and _LOOP.isdisjoint(findings.left_out),
            thinking_switch=template.switches_thinking,
            reasoning_efforts=template.efforts.distinct if template.has_efforts else (),
            images=model.accepts_images,
            structured_output=model.enforces_schemas or msgspec.UNSET,
        )
    context = model.context or msgspec.UNSET
    return ModelDescription(id=name, display_name=name, context_length=context, capabilities=capabilities)


def describe_all(descriptions: Sequence[ModelDescription]) -> dict[str, Any]:
    """Return the list of models as OpenAI's, Anthropic's and Codex's clients read it, in one answer."""
    return {
        "object": "list",
        "data": descriptions,
        "has_more": False,
        "first_id": descriptions[0].id if descriptions else None,
        "last_id": descriptions[-1].id if descriptions else None,
        "models": [_codex(description) for description in descriptions],
    }


def _codex(model: ModelDescription) -> dict[str, Any]:
    """Return an entry of the catalogue that Codex reads (`model_catalog_url`)."""
    efforts = model.capabilities.reasoning_efforts or ()
    entry: dict[str, Any] = {
        "slug": model.id,
        "display_name": model.display_name,
        "supported_reasoning_levels": [{"effort": effort, "description": effort} for effort in efforts],
        "shell_type": "shell_command",
        "visibility": "list",
        "supported_in_api": True,
        "priority": 0,
        "base_instructions": _CODEX_INSTRUCTIONS,
        "support_verbosity": False,
        "apply_patch_tool_type": "freeform",
        "supports_parallel_tool_calls": True,
        "truncation_policy": {"mode": "bytes", "limit": 10_000},
        "experimental_supported_tools": [],
        "input_modalities": ["text", "image"] if model.capabilities.images else ["text"],
    }
    if model.context_length:
        entry["context_window"] = model.context_length
    return entry
