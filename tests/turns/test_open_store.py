"""A store that cannot be used is noticed when the server starts."""

import socket
import threading

import pytest

from headrace.turns import TurnSettings, check_store
from redis_server import RedisServer, is_installed


@pytest.fixture
def listener():
    """A port on which nothing answers: connections wait."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def redis_at(listener):
    return f"redis://user:sesame@127.0.0.1:{listener.getsockname()[1]}/0"


def check(store):
    return check_store(TurnSettings(store=store))


def test_a_store_that_works_has_no_failure(tmp_path):
    assert check("memory") == ""
    assert check(f"sqlite:{tmp_path}/turns.db") == ""


def test_a_file_that_cannot_be_made_is_named(tmp_path):
    assert check(f"sqlite:{tmp_path}/no/turns.db").startswith(
        f"the turn store {tmp_path}/no/turns.db cannot be used: "
    )


def test_no_redis_is_a_refused_connection(listener):
    store = redis_at(listener)
    listener.close()

    assert (
        check(store)
        == f"the turn store {store.replace('user:sesame@', '')} cannot be used: connection refused"
    )


def test_a_redis_that_does_not_answer_is_not_waited_for(listener):
    failure = check(redis_at(listener))

    assert failure.endswith("/0 does not answer within 1 s")
    assert "sesame" not in failure


@pytest.mark.parametrize(
    "refusal", ["WRONGPASS invalid username-password pair", "NOAUTH Authentication required."]
)
def test_a_refused_password_is_said_without_it(listener, refusal):
    def refuse():
        for _ in range(9):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while connection.recv(4096):
                    connection.sendall(f"-{refusal}\r\n".encode())

    threading.Thread(target=refuse, daemon=True).start()
    failure = check(redis_at(listener))

    assert refusal.partition(" ")[2][:10].lower() in failure.lower()
    assert "sesame" not in failure


@pytest.mark.skipif(not is_installed(), reason="redis-server is not installed")
def test_a_redis_that_works_has_no_failure_and_a_database_that_it_does_not_have_is_one(tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    try:
        assert check(server.url) == ""
        assert "out of range" in check(server.url.removesuffix("/0") + "/99")
    finally:
        server.stop()
