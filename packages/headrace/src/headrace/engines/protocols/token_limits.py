"""How many tokens a server is asked for: what the client wants, within what the server accepts.

Servers differ in what they do without a limit (16 tokens, 128, the rest of the context) and with one beyond
their context (reduce it, reject the request), and some count the prompt, which only they can. Their refusals
have the figures.
"""

import math
import re
from typing import Final

import msgspec

from headrace.engines.base import Generation
from headrace.engines.protocols.dialects import Dialect

__all__ = ["TokenLimits"]

_DEFAULT: Final = 4096

_CONTEXT: Final = re.compile(
    r"max_model_len[a-z_=]{0,30}=\s?(\d+)"  # vLLM, also "max_model_len=max_total_tokens=4096"
    r"|context (?:length|window|size)(?: is| of| limit)?(?: only)? \(?(\d+)",
    re.IGNORECASE,
)
_PROMPT: Final = re.compile(
    r"(\d+)(?: tokens)? (?:in|from) the (?:input )?(?:messages|prompt)"  # OpenAI, earlier vLLM, SGLang
    r"|(\d+) input tokens",  # vLLM
    re.IGNORECASE,
)
_MOST: Final = re.compile(
    r"at most (\d+) (?:completion|output) tokens"  # OpenAI
    r"|max(?:_completion|_new)?_tokens\b.{0,80}?(?:<= ?|\[\d+, ?)(\d+)",  # SambaNova, DashScope
    re.IGNORECASE | re.DOTALL,
)


class TokenLimits:
    """The limits of one server; it learns their figures from refusals.

    Args:
        dialect: the server's.
        default: the operator's default for requests that set no limit; None for the dialect's.
        context: tokens of prompt and answer together; 0 if unknown.
    """

    def __init__(self, dialect: Dialect, default: int | None = None, context: int = 0) -> None:
        self._unlimited = dialect.unlimited
        self._default = default
        self._context = context

    def wanted(self, max_tokens: int | None) -> int | None:
        """Return the limit that a client or the operator set; None for all that fits."""
        return self._default if max_tokens is None else max_tokens

    def accepted(self, wanted: int) -> int:
        """Reduce a limit to the server's context."""
        return min(wanted, self._context) if self._context else wanted

    def unlimited(self, prompt: str) -> int:
        """Return the limit for all that fits after a prompt.

        A server without a value for it gets what remains if every byte of the prompt is a token.
        """
        if self._unlimited is not None:
            return self.accepted(self._unlimited)
        return self.accepted(max(self._context - len(prompt.encode()) - 1, _DEFAULT))

    def fitting(self, refusal: str, sent: int | None) -> int | None:
        """Return the limit that the server would have accepted, and remember its context.

        Args:
            refusal: the server's message.
            sent: the limit that it refused; None for its own default.

        Returns:
            None if the refusal has another reason: the prompt is too long, or the message has no figures.
        """
        context, prompt, most = (_figure(pattern, refusal) for pattern in (_CONTEXT, _PROMPT, _MOST))
        if context and (prompt or "max_model_len" in refusal):
            self._context = context
            most = context - prompt - 1 if prompt else context  # SGLang rejects a sum equal to the context
        return most if most and 0 < most < (sent or math.inf) else None

    def revised(self, generation: Generation, refusal: str, sent: int | None) -> Generation | None:
        """Return the generation with the limit that the server would have accepted; see `fitting`."""
        if (fitting := self.fitting(refusal, sent)) is None:
            return None
        request = msgspec.structs.replace(generation.request, max_tokens=fitting)
        return msgspec.structs.replace(generation, request=request)


def _figure(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    return int(next(filter(None, found.groups()))) if found else None
