"""What the answer to a sample shows."""

from collections.abc import Mapping
from typing import Any

import jsonschema
import msgspec
from referencing import Registry
from referencing.exceptions import Unresolvable

from headrace.checking.answer import Answer
from headrace.checking.verify.samples import Sample

__all__ = ["Call", "Outcome", "outcome_of"]


class Call(msgspec.Struct, kw_only=True):
    """A call of an answer."""

    name: str
    arguments: str
    violation: str = ""
    """How the arguments violate the schema of the tool; "" if they obey it."""


class Outcome(msgspec.Struct, kw_only=True):
    """An answer."""

    id: str
    """That of the sample."""
    failure: str = ""
    """Why there is no complete answer."""
    finish_reason: str = ""
    calls: list[Call] = []
    has_content: bool = False
    has_thinking: bool = False
    tokens: int = 0
    """Generated tokens, by the usage."""

    @property
    def is_thinking_only(self) -> bool:
        """Whether the answer thinks, but has no text and no call."""
        return self.has_thinking and not self.has_content and not self.calls and not self.failure

    @property
    def called(self) -> tuple[str, ...]:
        """The names of the tools that it calls, sorted."""
        return tuple(sorted({call.name for call in self.calls}))


def outcome_of(sample: Sample, answer: Answer) -> Outcome:
    """Judge an answer."""
    schemas = sample.schemas
    calls = [
        Call(name=name, arguments=arguments, violation=_violation(name, arguments, schemas))
        for name, arguments in answer.fold_calls()
    ]
    usage = answer.usages[-1].value["usage"] if answer.usages else None
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else 0
    return Outcome(
        id=sample.id,
        failure=_failure(answer),
        finish_reason=answer.finish_reason,
        calls=calls,
        has_content=bool(answer.text().strip()),
        has_thinking=bool(answer.text("reasoning_content").strip()),
        tokens=tokens if type(tokens) is int else 0,
    )


def _failure(answer: Answer) -> str:
    response = answer.response
    if response.status != 200:
        body = answer.body[:200].decode("utf-8", "replace")
        return f"status {response.status}: {body}" if response.status else answer.failure
    for frame in answer.frames:
        if isinstance(frame.value, dict) and "error" in frame.value:
            return f"an error in the stream: {frame.data[:200].decode('utf-8', 'replace')}"
    return answer.failure or ("" if answer.finish_reason else "the stream has no finish reason")


def _violation(name: str, arguments: str, schemas: Mapping[str, dict[str, Any]]) -> str:
    if name not in schemas:
        return f"the tool {name!r} does not exist"
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError) as error:
        return f"the arguments are not JSON: {error}"
    try:
        jsonschema.validate(value, schemas[name], registry=Registry())  # an empty one downloads nothing
    except jsonschema.ValidationError as error:
        return f"{error.json_path}: {error.message}"
    except jsonschema.SchemaError as error:
        return f"the schema of the tool is not valid: {error.message}"
    except Unresolvable as error:
        return f"the schema of the tool is not valid: it has no {error.ref!r}"
    except RecursionError:
        return "the arguments, or the schema of the tool, are nested too deeply"
    return ""
