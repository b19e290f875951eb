"""Sampling fields beyond Z.ai's API, which engines and upstreams accept: their ranges, and their validation.

Ranges are the widest of OpenAI's reference, vLLM's `SamplingParams` and llama.cpp's server.
"""

from collections.abc import Mapping
from typing import Any, Final

from headrace.errors import RequestError
from headrace.wire.expected import show

__all__ = ["MAX_BIAS", "MAX_BIASES", "NUMBERS", "SAMPLING_FIELDS", "decode_sampling"]

_INT32: Final = 2**31 - 1
NUMBERS: Final[Mapping[str, tuple[type, float, float]]] = {
    "frequency_penalty": (float, -2, 2),
    "min_p": (float, 0, 1),
    "min_tokens": (int, 0, _INT32),
    "presence_penalty": (float, -2, 2),
    "repetition_penalty": (float, 0.01, 10),
    "top_k": (int, -1, _INT32),
}
SAMPLING_FIELDS: Final = frozenset({*NUMBERS, "ignore_eos", "logit_bias"})
"""Their names: sampling only, nothing that changes the structure of the answer, the priority of the request,
or whose cache it uses."""

MAX_BIASES: Final = 1000
MAX_BIAS: Final = 100


def decode_sampling(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sampling fields among a request's fields; `logit_bias` as an object, in either notation.

    Raises:
        RequestError: 1214, a value is invalid.
    """
    sampling = {name: fields[name] for name in sorted(SAMPLING_FIELDS & fields.keys())}
    for name, value in sampling.items():
        if name in NUMBERS:
            _check_number(name, value, *NUMBERS[name])
        elif name == "logit_bias":
            sampling[name] = _biases(value)
        elif not isinstance(value, bool):
            raise _invalid(name, value, "true or false")
    return sampling


def _check_number(name: str, value: Any, kind: type, low: float, high: float) -> None:
    is_number = isinstance(value, int | kind) and not isinstance(value, bool)
    if not (is_number and low <= value <= high):
        what = "an integer" if kind is int else "a number"
        raise _invalid(name, value, f"{what} between {low} and {high}")


def _biases(value: Any) -> dict[str, float]:
    """Decode OpenAI's `{"id": bias}`, or llama.cpp's `[[id, bias]]`."""
    if not isinstance(value, dict | list):
        raise _invalid("logit_bias", value, 'an object of token ids and numbers, such as {"42": -1.5}')
    if len(value) > MAX_BIASES:
        msg = f"logit_bias has {len(value)} entries; at most {MAX_BIASES} are allowed"
        raise RequestError(msg)
    biases: dict[str, float] = {}
    for entry in value.items() if isinstance(value, dict) else value:
        if not (isinstance(entry, list | tuple) and len(entry) == 2):
            raise _invalid("logit_bias", entry, "a pair of a token id and a number")
        id, bias = entry
        if isinstance(id, float) and id.is_integer():
            id = int(id)
        text = str(id) if isinstance(id, str | int) else ""
        if not (text.isascii() and text.isdigit() and len(text) < len(str(_INT32))):
            raise _invalid("a key of logit_bias", id, "the id of a token")
        if not isinstance(bias, int | float) or isinstance(bias, bool) or abs(bias) > MAX_BIAS:
            raise _invalid(f"logit_bias[{text}]", bias, f"a number between -{MAX_BIAS} and {MAX_BIAS}")
        biases[text] = bias
    return biases


def _invalid(where: str, value: Any, expected: str) -> RequestError:
    return RequestError(f"{where} is {show(value)}; it must be {expected}")
