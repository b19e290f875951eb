"""What differs between the APIs: how a request is written, and how an event reads as a chunk.

Requests are planned, and answers are judged, as those of chat completions. So a rule about texts, calls,
times and errors is the same in every API; only the rules about the events of an API are its own.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from headrace.checking.answer import Answer, find_chunk
from headrace.checking.endpoint import Request
from headrace.checking.rule import Rule
from headrace.checking.variants import BAD_INPUTS, VARIANTS, BadInput

__all__ = ["CHAT", "Api", "derive_rules"]

_OF_CHAT: Final = ("https://docs.z.ai/", "https://platform.openai.com/")


def resume_by_header(path: str, left: Answer, *, is_rest: bool) -> Request | None:
    """Return a request for a turn, with `Last-Event-ID` for its rest (docs/resume.md)."""
    if not (turn := left.response.headers.get("x-headrace-turn")):
        return None
    headers = {"Last-Event-ID": left.sse.last_event_id} if is_rest else {}
    return Request(method="GET", path=f"{path}/{turn}", headers=headers)


class Api(NamedTuple):
    """An API that the endpoint may offer."""

    name: str
    """The first word of its requests and of the ids of its rules; "" for chat completions."""
    title: str
    path: str
    source: str
    """Its reference."""
    encode: Callable[[Mapping[str, Any]], dict[str, Any]]
    """Returns the fields of a request for a chat completion as those of this API."""
    translate: Callable[[Any], dict[str, Any] | None]
    """Returns the chunk or the completion that an event or a body stands for; None if it is none."""
    variants: Collection[str]
    """The names of the variants that are sent."""
    bad_inputs: Mapping[str, BadInput]
    """By the end of the rule's id."""
    headers: Mapping[str, str] = {}
    resumable: Mapping[str, Any] = {}
    """Further fields of a request whose stream is resumed."""
    resume: Callable[..., Request | None] = resume_by_header
    """Returns the request for the rest of a stream, or for all of it; None if the endpoint has none."""

    def request(self, name: str) -> str:
        """Return the name of a request in this API, from that in chat completions."""
        return f"{self.name}: {name}" if self.name else name

    def requests(self, names: Iterable[str]) -> Iterator[str]:
        """Yield the names of those variants that are sent in this API."""
        return (self.request(name) for name in names if name in self.variants)

    def rule(self, id: str) -> str:
        """Return the id of a rule in this API, from that in chat completions."""
        return f"{self.name}.{id}" if self.name else id


CHAT: Final = Api(
    "",
    "chat completions",
    "/chat/completions",
    "https://docs.z.ai/api-reference/api-code",
    encode=dict,
    translate=find_chunk,
    variants=tuple(VARIANTS),
    bad_inputs=BAD_INPUTS,
)


def derive_rules(
    api: Api, rules: Sequence[Rule], sentences: Mapping[str, str], sent: Collection[str]
) -> Iterator[Rule]:
    """Yield rules of chat completions for another API.

    Args:
        api: the other one.
        rules: those of chat completions.
        sentences: by the id of a rule, what it requires in this API; "" stands for the same.
        sent: the names of the requests in this API.
    """
    known = {rule.id: rule for rule in rules}
    for id, sentence in sentences.items():
        rule = known[id]
        renamed = (tuple(map(api.request, names)) for names in rule.requests)
        yield rule._replace(
            id=api.rule(id),
            sentence=sentence or rule.sentence,
            source=api.source if rule.source.startswith(_OF_CHAT) else rule.source,
            requests=tuple(names for names in renamed if all(name in sent for name in names)),
        )
