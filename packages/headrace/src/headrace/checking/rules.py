"""Every rule, in the order of the report."""

from collections.abc import Iterator
from typing import Final

from headrace.checking import calls, chunks, errors, framing, leaving, meaning, messages, responses
from headrace.checking.api import CHAT, Api, derive_rules
from headrace.checking.messages import MESSAGES
from headrace.checking.plan import plan
from headrace.checking.responses import RESPONSES
from headrace.checking.rule import Rule

__all__ = ["RULES"]

_CHAT: Final = (
    *framing.RULES,
    *chunks.RULES,
    *calls.RULES,
    *meaning.RULES,
    *leaving.RULES,
    *errors.bad_input_rules(CHAT),
    *errors.RULES,
)


def _of(api: Api, own: tuple[Rule, ...], derived: dict[str, str]) -> Iterator[Rule]:
    sent = {planned.name for planned in plan("") if planned.api is api}
    yield from derive_rules(api, _CHAT, derived, sent)
    yield from own
    yield from errors.bad_input_rules(api)


RULES: Final[tuple[Rule, ...]] = (
    *_CHAT,
    *_of(MESSAGES, messages.RULES, messages.DERIVED),
    *_of(RESPONSES, responses.RULES, responses.DERIVED),
)
