"""The registry of stores: addresses, errors, availability, and the places that must know every store."""

import socket
import threading

import pytest

from headrace.cli.main import main
from headrace.errors import HeadraceError, RequestError
from headrace.turns import STORES, check_store, open_store
from headrace.turns.store import UnusableStoreError
from headrace.turns.stores import STORE_ADDRESSES
from proxies import free_port
from redis_server import RedisServer
from store_backends import BACKENDS
from turn_stores import needs_redis, settings


@pytest.mark.parametrize(
    "address", ["", "redis", "redis://", "sqlite:", "memory:", "memory2", "postgres://x"]
)
def test_an_unknown_address_is_an_error_that_lists_the_valid_ones(address):
    with pytest.raises(HeadraceError) as raised:
        open_store(settings(store=address))

    assert raised.value.message == f'store: "{address}" is not one of {STORE_ADDRESSES}'


@needs_redis
def test_a_malformed_address_is_an_error_with_the_reason():
    with pytest.raises(HeadraceError, match='store: "redis://localhost:abc/0" is not a valid address: '):
        open_store(settings(store="redis://localhost:abc/0"))


@pytest.mark.parametrize("kind", STORES)
def test_every_store_is_described_in_the_help_of_store(kind, capsys):
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    help = capsys.readouterr().out

    for prefix in STORES[kind].addresses:
        assert prefix in help


def test_every_store_has_a_backend_for_the_tests():
    assert BACKENDS.keys() == STORES.keys()


@pytest.fixture
def listener():
    """Listen on a port without accepting a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def redis_at(listener):
    return f"redis://user:sesame@127.0.0.1:{listener.getsockname()[1]}/0"


def check(store):
    return check_store(settings(store=store))


def test_an_available_store_passes_the_check(tmp_path):
    assert check("memory") == ""
    assert check(f"sqlite:{tmp_path}/turns.db") == ""


def test_the_check_names_a_file_that_cannot_be_created(tmp_path):
    assert check(f"sqlite:{tmp_path}/no/turns.db").startswith(
        f"the turn store {tmp_path}/no/turns.db is unavailable: "
    )


def test_the_check_of_a_redis_that_is_not_running_reports_a_refused_connection(listener):
    store = redis_at(listener)
    listener.close()

    address = store.replace("user:sesame@", "")
    assert check(store) == f"the turn store {address} is unavailable: connection refused"


def test_the_check_does_not_wait_for_a_redis_that_does_not_respond(listener):
    failure = check(redis_at(listener))

    assert failure.endswith("/0 is unavailable: no response within 1 s")
    assert "sesame" not in failure


@pytest.mark.parametrize(
    "error", ["WRONGPASS invalid username-password pair", "NOAUTH Authentication required."]
)
def test_the_check_reports_a_rejected_password_without_the_password(listener, error):
    def reject():
        for _ in range(9):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while connection.recv(4096):
                    connection.sendall(f"-{error}\r\n".encode())

    threading.Thread(target=reject, daemon=True).start()
    failure = check(redis_at(listener))

    assert error.partition(" ")[2][:10].lower() in failure.lower()
    assert "sesame" not in failure


@needs_redis
def test_the_check_reports_a_redis_database_that_does_not_exist(tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    try:
        assert check(server.url) == ""
        assert "out of range" in check(server.url.removesuffix("/0") + "/99")
    finally:
        server.stop()


@needs_redis
def test_a_cluster_is_refused_and_what_to_use_instead_is_said(tmp_path, capsys):
    from redis import Redis

    server = RedisServer(tmp_path, "--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    server.start()
    try:
        with Redis.from_url(server.url) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        with pytest.raises(
            UnusableStoreError, match="is part of a Redis or Valkey cluster.* list several servers"
        ) as raised:
            check(server.url)
        for action in ("list", "show x", "revoke x"):
            assert main(["keys", *action.split(), "--store", server.url]) == 1
            assert capsys.readouterr().err == f"headrace: {raised.value.message}\n"
    finally:
        server.stop()


@needs_redis
def test_two_names_of_the_same_database_are_not_two_shards(tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    try:
        other = server.url.replace("127.0.0.1", "localhost").removesuffix("/0")
        with pytest.raises(RequestError, match=f'^store: ".*" and "{other}/0" are the same database'):
            check(f"{server.url}, {other}")
        assert check(f"{server.url}, {other}/1") == ""
    finally:
        server.stop()


@needs_redis
def test_the_check_names_each_shard_that_is_unavailable(tmp_path, listener):
    server = RedisServer(tmp_path)
    server.start()
    down = redis_at(listener)
    listener.close()
    try:
        failure = check(f"{server.url},{down}")
    finally:
        server.stop()

    assert failure == f"the turn store {down.replace('user:sesame@', '')} is unavailable: connection refused"
