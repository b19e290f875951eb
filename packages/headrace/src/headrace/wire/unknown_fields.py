"""The fields of a chat request that no API has. The service accepts them: they are reported, not rejected."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final

from headrace.wire.request import INTERNAL_FIELDS, ChatRequest
from headrace.wire.sampling import SAMPLING_FIELDS
from headrace.wire.translation import TRANSLATED
from headrace.wire.unsupported import REJECTED, WITHOUT_EFFECT

__all__ = ["KNOWN_FIELDS", "similar_field", "unknown_fields"]

KNOWN_FIELDS: Final = frozenset(ChatRequest.__struct_fields__) - INTERNAL_FIELDS | {
    *TRANSLATED,
    *SAMPLING_FIELDS,
    *REJECTED,
    *WITHOUT_EFFECT,
}
"""The fields of Z.ai's API and of the others that `docs/wire.md` lists."""

_LONGEST: Final = 64  # characters
_EFFECTIVE: Final = KNOWN_FIELDS - REJECTED.keys() - WITHOUT_EFFECT.keys()


def unknown_fields(fields: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields that have no effect because they are unknown, each truncated."""
    unknown = (name for name in fields if name and name not in KNOWN_FIELDS and fields[name] is not None)
    return list(dict.fromkeys(name[:_LONGEST] for name in unknown))


def similar_field(name: str) -> str:
    """Return the field with an effect that a client has probably meant; "" if no name is similar."""
    return next(iter(get_close_matches(name, _EFFECTIVE, 1, cutoff=0.8)), "")
