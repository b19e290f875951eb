"""The types of tasks and their results."""

from typing import ClassVar

from headrace.wire.chunk import Usage
from headrace.wire.completion import Choice
from headrace.wire.model import WireModel

__all__ = ["AsyncCompletion", "AsyncTaskStatus"]


class AsyncTaskStatus(WireModel, kw_only=True):
    """The status of a task; `task_status` is PROCESSING, SUCCESS or FAIL."""

    id: str
    request_id: str | None = None
    model: str | None = None
    task_status: str


class AsyncCompletion(WireModel, kw_only=True):
    """The result of a task."""

    other_fields: ClassVar = frozenset({"created", "object"})

    id: str | None = None
    request_id: str | None = None
    model: str | None = None
    task_status: str
    choices: list[Choice]
    usage: Usage | None = None
    created: int | None = None
    object: str | None = None
