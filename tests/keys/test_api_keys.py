import hashlib
import hmac

import pytest

from headrace.errors import AccessError
from headrace.keys import ApiKeys
from issued_keys import base64, token

RING = ApiKeys(["id.secret", "other.thing"])


def bearer(value):
    return {"authorization": f"Bearer {value}"}


async def test_without_keys_every_caller_is_accepted():
    assert await ApiKeys([]).check({}) == ""


@pytest.mark.parametrize(
    "headers",
    [
        bearer("id.secret"),
        bearer(" id.secret "),
        {"authorization": "bearer id.secret"},
        {"authorization": "id.secret"},
        {"x-api-key": "id.secret"},
        {"api-key": "id.secret"},
        {"authorization": "Basic aWQ6", "api-key": "id.secret"},
        {"authorization": "Bearer", "x-api-key": "id.secret"},
    ],
)
async def test_a_raw_key_returns_its_id(headers):
    assert await RING.check(headers) == "id"


@pytest.mark.parametrize("scheme", ["Bearer ", ""])
async def test_a_signed_token_returns_its_id(scheme):
    assert await RING.check({"authorization": scheme + token()}) == "id"


@pytest.mark.parametrize("value", ["", "Bearer", "bearer ", "Basic aWQ6"])
async def test_a_header_without_a_key_is_1001(value):
    with pytest.raises(AccessError, match="Authorization") as caught:
        await RING.check({"authorization": value})

    assert caught.value.code == "1001"


@pytest.mark.parametrize("secret", ["secret", "another"])
async def test_a_token_is_checked_with_every_key_of_its_id(secret):
    keys = ApiKeys(["id.secret", "id.another"])

    assert await keys.check(bearer(token(secret=secret))) == "id"


def signed(head, claims, spell=lambda segment: segment):
    """Sign these segments, each spelled in another way, with the right secret."""
    text = ".".join(spell(base64(segment)) for segment in (head, claims))
    return f"{text}.{base64(hmac.digest(b'secret', text.encode(), hashlib.sha256))}"


HEAD, CLAIMS = b'{"alg":"HS256"}', b'{"api_key":"id","exp":9e15}'
SPELLINGS = {
    "other characters": lambda segment: f"{segment[:4]}#?# {segment[4:]}",
    "padding": lambda segment: segment + "=" * (-len(segment) % 4 or 4),
    "padding and more": lambda segment: segment + "=AAAA",
    "a line end": lambda segment: segment[:4] + "\n" + segment[4:],
    "an incomplete byte": lambda segment: segment + "A" * ((1 - len(segment)) % 4),
}


async def test_a_token_of_these_cases_is_accepted():
    assert await RING.check(bearer(signed(HEAD, CLAIMS))) == "id"


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
async def test_no_segment_of_a_token_has_a_second_spelling(spell):
    """RFC 7515, section 2 and appendix C."""
    right = signed(HEAD, CLAIMS)
    text, _, signature = right.rpartition(".")

    for wrong in (signed(HEAD, CLAIMS, spell), f"{text}.{spell(signature)}"):
        with pytest.raises(AccessError):
            await RING.check(bearer(wrong))


async def test_unused_bits_and_the_standard_alphabet_are_no_second_spelling():
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    text, _, signature = signed(HEAD, CLAIMS).rpartition(".")
    last = alphabet[alphabet.index(signature[-1]) ^ 1]
    wrong = [signature[:-1] + last, signature.replace("-", "+").replace("_", "/") + "="]

    for spelled in wrong:
        with pytest.raises(AccessError):
            await RING.check(bearer(f"{text}.{spelled}"))


@pytest.mark.parametrize(
    "head",
    [
        b'{"alg":"HS256","crit":["exp"]}',
        b'{"alg":"HS256","crit":[]}',
        b'{"alg":"HS256","crit":null}',
        b'{"alg":"HS256","x":"\xff"}',
    ],
)
async def test_a_header_with_critical_extensions_or_invalid_utf_8_is_refused(head):
    """RFC 7515, sections 4.1.11 and 5.2."""
    with pytest.raises(AccessError):
        await RING.check(bearer(signed(head, CLAIMS)))


async def test_a_missing_key_is_1001():
    with pytest.raises(AccessError, match="Authorization") as caught:
        await RING.check({})

    assert (caught.value.code, caught.value.status) == ("1001", 401)


WRONG = [
    "id.wrong",
    "id",
    "secret",
    token(secret="wrong"),
    token(api_key="unknown"),
    token(algorithm="none"),
    "a.b.c",
    "..",
    "é.ü.ö",
    base64(b'{"x":' + b"[" * 20_000) + ".x.x",
]


@pytest.mark.parametrize("key", WRONG)
async def test_a_wrong_key_is_1002(key):
    with pytest.raises(AccessError) as caught:
        await RING.check(bearer(key))

    assert (caught.value.code, caught.value.status) == ("1002", 401)


async def test_an_expired_token_is_1003():
    with pytest.raises(AccessError, match="milliseconds") as caught:
        await RING.check(bearer(token(expires_in=-1)))

    assert caught.value.code == "1003"
