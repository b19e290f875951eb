"""Keys and several server processes on one store: what each process knows, and where no key may appear."""

import secrets
import time
from base64 import b64encode
from pathlib import Path

import pytest

from headrace.turns import TurnSettings
from issued_keys import issue, key_of, sign
from key_deployment import KeyDeployment
from redis_server import is_installed
from scripted_server import Reply, ScriptedServer, stream
from store_backends import BACKENDS
from turn_stores import SHARED
from zai.http.auth import generate_turn_token

CHAT = "/api/paas/v4/chat/completions"
BODY = {"model": "glm-4.6", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
RESUMABLE = {"x-headrace-resumable": "1"}
PATHS = ["/v1/models", f"{CHAT}/202601010000001234567890abcdef", "/metrics", "/api/monitor/usage/quota/limit"]
VARIABLES = ["HEADRACE_MASTER_KEY", "HEADRACE_API_KEYS", "UPSTREAM_KEY"]


def secret():
    """No hexadecimal digits, so that no piece of it is one of an id by chance."""
    return "".join(secrets.choice("GHJKLMNPQRSTUVWXYZ") for _ in range(48))


@pytest.fixture(scope="module", params=SHARED)
def deployment(request, tmp_path_factory):
    if request.param == "redis" and not is_installed():
        pytest.skip("no Redis or Valkey server is installed")
    directory = tmp_path_factory.mktemp("keys")
    place = directory / "store"
    place.mkdir()
    address, redis = BACKENDS[request.param](place, fsync=False)
    environment = {name: secret() for name in VARIABLES}
    environment["HEADRACE_API_KEYS"] = f"fixed.{environment['HEADRACE_API_KEYS']}"
    rude = Reply(f"the key {environment['UPSTREAM_KEY']} is wrong".encode(), status=401)
    if redis:
        redis.start()
    with ScriptedServer(Reply(stream("Hello")), rude) as upstream:
        opened = KeyDeployment(directory, address, upstream.url, environment)
        opened.variables, opened.place = environment, place
        opened.take_store_down = redis.kill if redis else lambda: place.rename(directory / "elsewhere")
        yield opened
        opened.stop()
    if redis:
        redis.stop()


def test_the_banner_says_where_keys_come_from(deployment):
    banner = deployment.outputs()["server0.out"].decode()

    assert "API keys  those of `headrace keys`, and 1 from HEADRACE_API_KEYS\n" in banner


def bearer(key):
    return {"authorization": f"Bearer {key}"}


def statuses(deployment, key, path="/v1/models"):
    return [client.get(path, headers=bearer(key)).status_code for client in deployment.clients]


def test_a_new_key_works_everywhere_at_once_and_a_revoked_one_is_refused_everywhere(deployment):
    key = deployment.keys("create", "--name", "short-lived").strip()
    assert statuses(deployment, key) == [200, 200, 200]
    first = deployment.clients[0]
    turn = first.post(CHAT, json=BODY, headers=bearer(key) | RESUMABLE).headers["x-request-id"]
    requests = [
        ("POST", CHAT, {"headers": bearer(key), "json": BODY}),
        ("POST", CHAT, {"headers": bearer(sign(key)), "json": BODY}),
        ("GET", f"{CHAT}/{turn}", {"headers": bearer(key)}),
        ("GET", f"{CHAT}/{turn}", {"params": {"token": generate_turn_token(key, turn)}}),
        ("GET", f"/api/paas/v4/async-result/{turn}", {"headers": {"x-api-key": key}}),
        ("DELETE", f"{CHAT}/{turn}", {"headers": {"api-key": key}}),
    ]
    for client in deployment.clients:
        for method, path, options in requests[2:]:
            assert client.request(method, path, **options).status_code == 200
    deployment.keys("revoke", key.partition(".")[0])
    deadline = time.monotonic() + 20
    while statuses(deployment, key) != [401, 401, 401]:  # the promised second is measured in virtual time
        assert time.monotonic() < deadline

    for method, path, options in requests:
        for client in deployment.clients:
            response = client.request(method, path, **options)
            assert (response.status_code, response.json()["error"]["code"]) == (401, "1002")
            assert "was revoked" in response.json()["error"]["message"]


def test_a_key_that_was_refused_as_unknown_works_as_soon_as_it_exists(deployment):
    key = key_of("later", deployment.variables["HEADRACE_MASTER_KEY"])
    assert statuses(deployment, key) == [401, 401, 401]
    issue(TurnSettings(store=deployment.store), "later")

    assert statuses(deployment, key) == [200, 200, 200]


def pieces(secret, size=6):
    return {secret[at : at + size].encode() for at in range(len(secret) - size + 1)}


def test_no_piece_of_a_key_is_shown_logged_or_stored(deployment):
    """Canaries in every place where a client or the operator puts a key."""
    valid = deployment.keys("create", "--name", "canary", "--admin").strip()
    (header, payload, signature) = sign(valid).split(".")
    wrong = [secret() for _ in range(8)]
    basic = b64encode(f"{wrong[0]}:{wrong[1]}".encode()).decode()
    canaries = [*wrong, basic, payload[40:], signature, valid.partition(".")[2]]
    canaries += [deployment.variables[name].rpartition(".")[2] for name in VARIABLES]
    sent = [
        {"headers": bearer(valid)},
        {"headers": bearer(f"{header}.{payload}.{signature}")},
        {"headers": bearer(wrong[2])},
        {"headers": {"authorization": f"Basic {basic}"}},
        {"headers": {"x-api-key": wrong[3]}},
        {"headers": {"api-key": f"fixed.{wrong[4]}"}},
        {"headers": bearer(f"{header}.{payload}.{wrong[5]}")},
        {"params": {"token": f"{header}.{payload}.{wrong[6]}", "api_key": wrong[7]}},
        {"params": {"token": f"{header}.{payload}.{signature}"}},
        {"headers": [("authorization", f"Bearer {wrong[2]}"), ("authorization", wrong[3])]},
        {"headers": bearer(wrong[4] + "\t\x7f")},
    ]
    seen = {}
    requests = [("GET", path) for path in PATHS] + [("POST", CHAT)]
    for at, options in enumerate(sent):
        for number, (method, path) in enumerate(requests):
            client = deployment.clients[(at + number) % 3]  # each delays its responses to wrong keys
            body = BODY if method == "POST" else None
            response = client.request(method, path, json=body, **options)
            seen[f"{method} {path} {at}"] = repr(response.headers.raw).encode() + response.content
    seen["metrics"] = deployment.clients[0].get("/metrics", headers=bearer(valid)).content
    assert b"# HELP" in seen["metrics"]
    seen |= deployment.outputs() | stored(deployment)
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            seen[str(process)] = process.read_bytes()
        except OSError:  # it has ended
            continue

    assert any("turns.db" in name or "headrace:documents:keys" in name for name in seen)
    found = {
        (name, piece)
        for canary in canaries
        for piece in pieces(canary)
        for name in seen
        if piece in seen[name]
    }
    assert found == set()


def stored(deployment):
    """Everything in the store."""
    if deployment.store.startswith("sqlite:"):
        return {file.name: file.read_bytes() for file in deployment.place.iterdir()}
    from redis import Redis

    with Redis.from_url(deployment.store) as client:
        return {key.decode(): client.dump(key) + key for key in client.scan_iter()}


def test_while_the_store_is_down_known_keys_remain_valid_and_others_get_503(deployment):
    key = deployment.keys("create", "--name", "known").strip()
    assert statuses(deployment, key) == [200, 200, 200]
    deployment.take_store_down()
    unknown = key_of("x", deployment.variables["HEADRACE_MASTER_KEY"])

    assert statuses(deployment, key) == [200, 200, 200]
    assert statuses(deployment, unknown) == [503, 503, 503]
    assert statuses(deployment, "x.y") == [401, 401, 401]
