"""The regular expressions of JSON Schemas: those of formats, and which ones llguidance can compile.

llguidance's own formats allow 29 February of any year and invalid punycode. Here, what readers of an answer
reject is left out: the year 0, leap seconds, durations beyond a million years, more than nanoseconds.
"""

import re
from typing import Final

__all__ = ["ENCODINGS", "FORMATS", "anchored", "is_regular", "matches", "regular"]

_YEAR: Final = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
_LEAP_YEAR: Final = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DATE: Final = (
    f"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    f"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP_YEAR}-02-29)"
)
_HOUR: Final = "(?:[01][0-9]|2[0-3])"
_TIME: Final = rf"{_HOUR}:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{{1,9}})?(?:[Zz]|[+-]{_HOUR}:[0-5][0-9])"
_COUNT: Final = "[0-9]{1,6}"
_DAYS: Final = f"{_COUNT}D"
_MONTHS: Final = f"{_COUNT}M(?:{_DAYS})?"
_SECONDS: Final = f"{_COUNT}S"
_MINUTES: Final = f"{_COUNT}M(?:{_SECONDS})?"
_HOURS: Final = f"T(?:{_COUNT}H(?:{_MINUTES})?|{_MINUTES}|{_SECONDS})"
_DURATION: Final = (
    f"P(?:{_COUNT}W|(?:{_COUNT}Y(?:{_MONTHS})?|{_MONTHS}|{_DAYS})(?:{_HOURS})?|{_HOURS})"  # RFC 3339, A
)
_OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4: Final = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_GROUP: Final = "[0-9A-Fa-f]{1,4}"
_LAST: Final = f"(?:{_GROUP}:{_GROUP}|{_IPV4})"
_IPV6: Final = "(?:{})".format(  # RFC 3986
    "|".join(
        [
            f"(?:{_GROUP}:){{6}}{_LAST}",
            f"::(?:{_GROUP}:){{5}}{_LAST}",
            *(
                f"(?:(?:{_GROUP}:){{0,{before}}}{_GROUP})?::(?:{_GROUP}:){{{4 - before}}}{_LAST}"
                for before in range(5)
            ),
            f"(?:(?:{_GROUP}:){{0,5}}{_GROUP})?::{_GROUP}",
            f"(?:(?:{_GROUP}:){{0,6}}{_GROUP})?::",
        ]
    )
)
_ALNUM: Final = "[A-Za-z0-9]"
_INNER: Final = "[A-Za-z0-9-]"
# At most 63 characters, and not "--" as the third and fourth: whether punycode is valid is not regular.
_LABEL: Final = (
    f"{_ALNUM}(?:{_INNER}{{0,2}}{_ALNUM}|{_INNER}(?:{_ALNUM}{_INNER}|-{_ALNUM}){_INNER}{{0,58}}{_ALNUM})?"
)
_HOSTNAME: Final = rf"{_LABEL}(?:\.{_LABEL})*"
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_EMAIL: Final = (  # RFC 5321, without quotes
    rf"{_ATOM}(?:\.{_ATOM})*@(?:{_HOSTNAME}|\[{_IPV4}\]|\[IPv6:{_IPV6}\])"
)
_ESCAPED: Final = "%[0-9A-Fa-f]{2}"
_PLAIN: Final = r"A-Za-z0-9\-._~!$&'()*+,;="
_CHAR: Final = f"(?:[{_PLAIN}:@]|{_ESCAPED})"
_AUTHORITY: Final = (
    f"(?:(?:[{_PLAIN}:]|{_ESCAPED})*@)?"
    rf"(?:\[(?:{_IPV6}|v[0-9A-Fa-f]+\.[{_PLAIN}:]+)\]|(?:[{_PLAIN}]|{_ESCAPED})*)(?::[0-9]*)?"
)
_ABSOLUTE: Final = f"//{_AUTHORITY}(?:/{_CHAR}*)*|/(?:{_CHAR}+(?:/{_CHAR}*)*)?"
_REST: Final = rf"(?:\?(?:{_CHAR}|[/?])*)?(?:#(?:{_CHAR}|[/?])*)?"
_URI: Final = rf"[A-Za-z][A-Za-z0-9+.\-]*:(?:{_ABSOLUTE}|{_CHAR}+(?:/{_CHAR}*)*)?{_REST}"  # RFC 3986
_RELATIVE: Final = f"(?:{_ABSOLUTE}|(?:[{_PLAIN}@]|{_ESCAPED})+(?:/{_CHAR}*)*)?{_REST}"
_POINTER: Final = "(?:/(?:[^~/]|~[01])*)*"  # RFC 6901

_BASE64: Final = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"

FORMATS: Final = {
    name: f"^(?:{pattern})$"
    for name, pattern in {
        "base64": _BASE64,  # zod's
        "date": _DATE,
        "date-time": f"{_DATE}[Tt]{_TIME}",
        "duration": _DURATION,
        "email": _EMAIL,
        "hostname": _HOSTNAME,
        "ipv4": _IPV4,
        "ipv6": _IPV6,
        "ipvanyaddress": f"(?:{_IPV4}|{_IPV6})",  # pydantic's
        "json-pointer": _POINTER,
        "relative-json-pointer": f"(?:0|[1-9][0-9]{{0,8}})(?:#|{_POINTER})",
        "time": _TIME,
        "uri": _URI,
        "uri-reference": f"(?:{_URI}|{_RELATIVE})",
        "uuid": "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    }.items()
}
"""A pattern for each format that is enforced."""

ENCODINGS: Final = {"7bit": "", "8bit": "", "base64": FORMATS["base64"], "binary": ""}
"""A pattern for each `contentEncoding` that is enforced."""

_NOT_REGULAR: Final = re.compile(r"\(\?<?[=!]|(?<!\\)(?:\\\\)*\\[1-9bBkpP]")  # look-around, references, …
_IMPLIED: Final = {
    "duration": (
        r"(?:(\d+W)|(?!.*W)(?=\d|T\d)(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+([.,]\d+)?S)?)?)$"
    ),
    "email": r"(?!\.)(?!.*\.\.)",
    "hostname": r"(?=.{1,253}\.?$)",
}
"""What zod writes beside a format, with look-ahead, although the format implies it."""

_PIECE: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?<?[:=!]?|.", re.DOTALL)
_QUANTIFIERS: Final = re.compile(r"[*+{]")
_MAX_NAME: Final = 64  # characters


def is_regular(pattern: str) -> bool:
    """Whether a pattern has nothing that llguidance cannot compile, as far as can be seen without it."""
    return not _NOT_REGULAR.search(pattern)


def regular(pattern: str, format: str | None) -> str:
    r"""Return a pattern as llguidance should read it, without what the format beside it implies.

    In ECMAScript, `\S` excludes U+FEFF. llguidance allows quotes and backslashes in each class that has all
    control characters, even in `[^"]`, so negated classes exclude U+0000.
    """
    return "".join(map(_exact, _PIECE.findall(pattern.replace(_IMPLIED.get(format or "", "\0"), ""))))


def _exact(piece: str) -> str:
    if piece == r"\S":
        return "[^\\s\ufeff]"
    if piece.startswith("[^") and not piece.startswith("[^]"):
        return rf"[^\x00{piece[2:]}"
    return piece


def anchored(pattern: str) -> str | None:
    """Return a pattern for whole texts that contain a match: without anchors; None if they are within it."""
    options, depth = [""], 0
    for piece in _PIECE.findall(pattern):
        depth += (piece[0] == "(") - (piece == ")")
        if piece == "|" and not depth:
            options.append("")
        else:
            options[-1] += piece
    whole = []
    for option in options:
        pieces = _PIECE.findall(option)
        is_at_start, is_at_end = pieces[:1] == ["^"], pieces[-1:] == ["$"]
        inner = pieces[is_at_start : len(pieces) - is_at_end]
        if {"^", "$"} & set(inner):
            return None
        start, end = "" if is_at_start else "(?s:.*)", "" if is_at_end else "(?s:.*)"
        whole.append(f"{start}{''.join(inner)}{end}")
    return "|".join(whole)


def matches(pattern: str, name: str) -> bool | None:
    """Whether a name matches a pattern of `patternProperties`; None if finding out could take long."""
    if len(_QUANTIFIERS.findall(pattern)) > 1 or len(name) > _MAX_NAME:
        return None
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return None
