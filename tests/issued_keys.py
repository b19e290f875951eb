"""Keys as `headrace keys create` issues them, and the tokens that PyPI's zai-sdk signs with a key."""

import asyncio
import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode

from headrace.documents import open_documents
from headrace.keys import KeyRecord, KeyRecords, MasterKey

__all__ = ["MASTER", "base64", "issue", "key_of", "revoke", "sign", "token"]

MASTER = "0123456789abcdef" * 4


def key_of(id, master=MASTER):
    """Return the key with this id, which may have no record."""
    return f"{id}.{MasterKey(master).secret_of(id)}"


def issue(turns, id, **fields):
    """Add the record of a key to the store of these settings; return the key."""
    _change(turns, lambda records: records.add(KeyRecord(id=id, name="", created=1, **fields)))
    return key_of(id)


def revoke(turns, id):
    """Revoke a key."""
    _change(turns, lambda records: records.revoke(id))


def _change(turns, change):
    async def run():
        records = KeyRecords(open_documents(turns, "keys"))
        await change(records)
        await records.close()

    asyncio.run(run())


def base64(value):
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def token(api_key="id", secret="secret", expires_in=60, algorithm="HS256"):
    """Sign a token as PyPI's zai-sdk does: times in milliseconds."""
    now = int(time.time() * 1000)
    claims = {"api_key": api_key, "exp": now + expires_in * 1000, "timestamp": now}
    head = base64(json.dumps({"alg": algorithm, "sign_type": "SIGN"}).encode())
    signed = f"{head}.{base64(json.dumps(claims).encode())}"
    return f"{signed}.{base64(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256))}"


def sign(key, expires_in=60):
    """Sign a token with a key."""
    id, _, secret = key.partition(".")
    return token(id, secret, expires_in)
