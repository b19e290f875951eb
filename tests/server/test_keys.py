import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode

import pytest

from headrace.errors import AccessError
from headrace.server.keys import ApiKeys

RING = ApiKeys(["id.secret", "other.thing"])


def base64(value):
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def token(api_key="id", secret="secret", expires_in=60, algorithm="HS256"):
    """Sign a token as PyPI's zai-sdk does: times in milliseconds."""
    now = int(time.time() * 1000)
    claims = {"api_key": api_key, "exp": now + expires_in * 1000, "timestamp": now}
    head = base64(json.dumps({"alg": algorithm, "sign_type": "SIGN"}).encode())
    signed = f"{head}.{base64(json.dumps(claims).encode())}"
    return f"{signed}.{base64(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256))}"


def bearer(value):
    return {"authorization": f"Bearer {value}"}


def test_without_keys_every_caller_is_accepted():
    assert ApiKeys([]).check({}) == ""


@pytest.mark.parametrize(
    "headers", [bearer("id.secret"), {"authorization": "bearer id.secret"}, {"x-api-key": "id.secret"}]
)
def test_a_raw_key_returns_its_id(headers):
    assert RING.check(headers) == "id"


def test_a_signed_token_returns_its_id():
    assert RING.check(bearer(token())) == "id"


def test_a_missing_key_is_1001():
    with pytest.raises(AccessError, match="Authorization") as caught:
        RING.check({})

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
def test_a_wrong_key_is_1002(key):
    with pytest.raises(AccessError) as caught:
        RING.check(bearer(key))

    assert (caught.value.code, caught.value.status) == ("1002", 401)


def test_an_expired_token_is_1003():
    with pytest.raises(AccessError, match="milliseconds") as caught:
        RING.check(bearer(token(expires_in=-1)))

    assert caught.value.code == "1003"
