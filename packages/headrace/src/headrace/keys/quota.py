"""The limits of a key in the shape of Z.ai's `GET /api/monitor/usage/quota/limit`.

    {"code": 200, "msg": "success", "success": true, "data": {"level": "", "limits": [
        {"type": "TOKENS_LIMIT", "unit": 3, "number": 5, "percentage": 37, "nextResetTime": 1771073738808,
         "usage": 1000000, "currentValue": 370000, "remaining": 630000}, …]}}

Z.ai does not document it; the plugin of Z.ai and the status lines of others that show a plan's quota agree on
these fields. `unit` and `number` are the window: 3 is hours, 5 minutes. `usage` is the limit. Z.ai's
TIME_LIMIT counts calls of its own tools, so requests per minute have a type of their own, which these
programs skip or show as it is.
"""

from typing import Any, Final

from headrace.limits import KeyLimits, Usage

__all__ = ["quota"]

_HOURS: Final = 3
_MINUTES: Final = 5


def quota(limits: KeyLimits, usage: Usage, now: float) -> dict[str, Any]:
    """Return the body of the response.

    Args:
        limits: those of the key; a window without a limit is left out.
        usage: what the key uses of them.
        now: the time in seconds since 1970.
    """
    tokens = _window(limits.tokens_per_5h, usage.tokens, now + usage.tokens_reset)
    requests = _window(limits.requests_per_minute, usage.requests, now + usage.requests_reset)
    windows = [
        {"type": "TOKENS_LIMIT", "unit": _HOURS, "number": 5, **tokens},
        {"type": "REQUESTS_LIMIT", "unit": _MINUTES, "number": 1, **requests},
    ]
    data = {"limits": [window for window in windows if "usage" in window], "level": ""}
    return {"code": 200, "msg": "success", "data": data, "success": True}


def _window(limit: int, used: int, reset: float) -> dict[str, int]:
    """Return the fields of a window; none if there is no limit."""
    if not limit:
        return {}
    window = {
        "usage": limit,
        "currentValue": used,
        "remaining": max(limit - used, 0),
        "percentage": min(100 * used // limit, 100),
    }
    return window | {"nextResetTime": int(reset * 1000)} if used else window
