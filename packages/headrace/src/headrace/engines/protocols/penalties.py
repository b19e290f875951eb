"""Penalties of an answer to be continued, for servers that penalize only the tokens that they generate.

The tokens so far are a part of the prompt then, and their penalties become biases: both are added to the
logits. A token that has a presence penalty in the prefix gets a second one if it is generated again.
"""

from collections import Counter
from typing import Any, Final

from headrace.engines.base import Generation
from headrace.errors import EngineError

__all__ = ["penalty_biases"]

_MOST: Final = 100.0  # of a bias


def penalty_biases(generation: Generation) -> dict[str, Any]:
    """Return the fields for the penalties of the prefix; {} if there are none.

    Raises:
        EngineError: the token ids of the prefix are unknown.
    """
    extra = generation.request.extra
    frequency, presence = extra.get("frequency_penalty", 0.0), extra.get("presence_penalty", 0.0)
    if not generation.prefix or not (frequency or presence):
        return {}
    if not all(text.ids for text in generation.prefix):
        msg = (
            "the server that generated this answer is down, and an answer with penalties cannot be continued"
            " without the ids of its tokens"
        )
        raise EngineError(msg)
    biases = dict(extra.get("logit_bias", {}))
    for id, count in Counter(id for text in generation.prefix for id in text.ids).items():
        bias = biases.get(str(id), 0.0) - frequency * count - presence
        biases[str(id)] = min(max(bias, -_MOST), _MOST)
    return {"logit_bias": biases}
