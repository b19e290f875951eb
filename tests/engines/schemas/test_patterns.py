"""The patterns of formats are checked against Python's own readers, and read by llguidance."""

import ipaddress
import re
from contextlib import suppress
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammars import accepts, schema_grammar, text_of
from headrace.engines.schemas.patterns import FORMATS, is_regular, matches
from headrace.formats import FORMATS as FAMILIES

VALID = {
    "base64": ["", "YQ==", "YWI=", "YWJj"],
    "date": ["2024-02-29", "2000-02-29", "1999-12-31", "0001-01-01"],
    "date-time": ["1963-06-19T08:30:06.283185Z", "1990-12-31t15:59:50.123-08:00"],
    "duration": ["P4DT12H30M5S", "PT0S", "P1M", "PT36H", "P2W", "P1Y2M3DT4H5M6S"],
    "email": ["joe.bloggs@example.com", "te~st@example.com", "joe.bloggs@[127.0.0.1]", "j@[IPv6:::1]"],
    "hostname": ["www.example.com", "h", "a--b.com", "h-0", "1host", "a" * 63 + ".com"],
    "ipv4": ["192.168.0.1", "255.255.255.255"],
    "ipv6": ["::", "::1", "1:2::192.168.0.1", "1:2:3:4:5:6:7:8", "d6::"],
    "ipvanyaddress": ["192.168.0.1", "::1"],
    "json-pointer": ["", "/foo//~0~1/%25"],
    "relative-json-pointer": ["0", "1/a", "10#", "0/a~1b"],
    "time": ["08:30:06Z", "08:30:06.2831z", "12:34:56-00:00"],
    "uri": ["http://foo.bar/?q=Test%20x#y", "mailto:a@b.c", "urn:a:b", "ldap://[2001:db8::7]/c=GB?x", "a:"],
    "uri-reference": ["", "/a/b", "//foo.bar/?x#y", "#a", "a:b", "../a"],
    "uuid": ["2eb8aa08-AA98-11ea-B4Aa-73b441d16380"],
}
INVALID = {
    "base64": ["YQ", "Y===", "YQ==YQ==", "YW-_", "a b="],
    "date": ["2023-02-29", "1900-02-29", "2020-04-31", "2020-13-01", "06/19/1963", "2020-1-01", "0000-01-01", "0000-02-29", ""],
    "date-time": ["1990-02-31T15:59:60.123-08:00", "1998-12-31T22:59:60Z", "1963-06-19T08:30:06", "2020-01-01"],
    "duration": ["P", "PT", "P1Y2D", "PT1H2S", "P1W2D", "4D", "P2S", "P1234567D"],
    "email": ["2962", ".a@b.c", "a..b@c.d", "a@-b.c", "a@", "a b@c.d"],
    "hostname": ["-a", "a-", "a_b", "a..b", "xn--x", "a" * 64, "ab--c", ""],
    "ipv4": ["127.0.0.0.1", "256.1.1.1", "01.1.1.1", "1.1.1"],
    "ipv6": ["12345::", "1:2:3:4:5:6:7", "1::2::3", ":1", "1:2:3:4:5:6:7:8:9", "::1.2.3"],
    "ipvanyaddress": ["1.1.1", "1:2", "10.0.0.0/8"],
    "json-pointer": ["a", "/~", "/~2"],
    "relative-json-pointer": ["/a", "-1/a", "01", "0##", ""],
    "time": ["08:30:06 PST", "24:00:00Z", "23:59:60Z", "08:30:06", "08:30Z"],
    "uri": ["//foo.bar", "http:/[::1]", "http://example.com:abc/", "http://a b", "abc", "http://[1:2]", "a:%x"],
    "uri-reference": ["\\a", "a b", "#a#"],
    "uuid": ["2eb8aa08-aa98-11ea-b4aa-73b441d1638", "2eb8aa08aa9811eab4aa73b441d16380"],
}  # fmt: skip


@pytest.mark.parametrize("family", [None, "glm-4.6"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_enforced(name, family):
    schema = {"type": "STRING", "format": name}  # Gemini's types are in capitals
    grammar = schema_grammar(schema, FAMILIES.get(family), strict=True)

    assert [text for text in VALID[name] if not accepts(grammar, text_of(text))] == []
    assert [text for text in INVALID[name] if accepts(grammar, text_of(text))] == []


def test_a_format_and_a_pattern_both_hold():
    grammar = schema_grammar({"type": "string", "pattern": "^2", "format": "date", "maxLength": 10})

    assert accepts(grammar, '"2024-01-01"')
    assert not accepts(grammar, '"1999-01-01"')
    assert not accepts(grammar, '"2"')


def reads(read, text):
    with suppress(ValueError):
        return read(text) is not None
    return False


DIGITS = st.from_regex(r"\A[0-9]{2}\Z")


@given(st.builds("{}{}-{}-{}".format, DIGITS, DIGITS, DIGITS, DIGITS) | st.dates().map(str))
def test_a_date_is_one_of_the_calendar(text):
    assert bool(re.fullmatch(FORMATS["date"], text)) == reads(date.fromisoformat, text)


@given(st.datetimes(timezones=st.timezones()).map(datetime.isoformat))
def test_pythons_times_are_times(text):
    is_usual = re.search(r"[+-]\d\d:\d\d$", text)  # a zone of long ago may have seconds
    assert not is_usual or re.fullmatch(FORMATS["date-time"], text)


GROUPS = st.sampled_from(["", "0", "1f", "abcd", "12345", "1.2.3.4", "1.2.3"])


@given(st.lists(GROUPS, min_size=1, max_size=9).map(":".join) | st.ip_addresses(v=6).map(str))
def test_an_address_is_one_that_python_reads(text):
    assert bool(re.fullmatch(FORMATS["ipv6"], text)) == reads(ipaddress.IPv6Address, text)


@pytest.mark.parametrize("pattern", [r"^(?!x)", r"(?<=a)b", r"(a)\1", r"\bword\b", r"\p{L}"])
def test_look_around_and_references_are_not_regular(pattern):
    assert not is_regular(pattern)
    assert is_regular(r"^\\1[a-z]+\d$")


def test_whether_a_name_matches_is_decided_if_that_is_quick():
    assert matches("^x-", "x-a") is True
    assert matches("^x-.*$", "y") is False
    assert matches("(a*)*b", "aaaa") is None
    assert matches("^x", "x" * 65) is None
    assert matches("([", "x") is None
