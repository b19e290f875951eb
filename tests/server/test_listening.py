"""Listening sockets, and the messages for addresses and ports that cannot be used."""

import os
import socket
from pathlib import Path

import pytest

from headrace.cli.main import main
from headrace.configuration.settings import Settings
from headrace.errors import RequestError
from headrace.server.listening import (
    CAN_SPREAD,
    binding,
    listen,
    listen_on_path,
    start_listening,
    url_of,
)

UNPRIVILEGED_USER = 65534
FIRST_FREE = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_the_url_of_an_ipv6_address_has_brackets():
    with listen("::1", 0) as listener:
        assert url_of(listener) == f"http://[::1]:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("[::1]", "--host: write ::1 without brackets"),
        ("[::]", "--host: write :: without brackets"),
        ("a..b", "a..b cannot be resolved; correct --host, or use an address such as 127.0.0.1"),
        ("::g", "::g cannot be resolved; correct --host"),
        ("203.0.113.1", "this machine does not have this address; --host 0.0.0.0"),
    ],
)
def test_an_address_that_cannot_be_used_has_a_remedy(host, reason):
    with pytest.raises(RequestError) as caught:
        listen(host, 0)

    assert reason in caught.value.message


def test_the_message_for_a_port_in_use_names_the_options_that_set_it(capsys, tmp_path):
    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        reason = f"cannot listen on port {port} of 127.0.0.1: the port is in use; choose another one with"

        assert main(["serve", "--port", port]) == 1
        assert f"{reason} --port or HEADRACE_PORT, where 0 picks a free port" in capsys.readouterr().err
        assert main(["record", "--output-dir", str(tmp_path), "--port", port, "http://127.0.0.1:9"]) == 1
        assert f"{reason} --port, where 0 picks a free port" in capsys.readouterr().err


def test_a_port_that_needs_a_permission_has_a_remedy():
    if not FIRST_FREE.exists() or int(FIRST_FREE.read_text()) < 1024:
        pytest.skip("every user may listen on every port")
    user = os.geteuid()
    os.seteuid(user or UNPRIVILEGED_USER)
    try:
        with pytest.raises(RequestError, match="permission denied; choose a port above 1023 with --port"):
            listen("127.0.0.1", 1023)
    finally:
        os.seteuid(user)


def test_record_listens_on_this_machine_only(capsys, tmp_path):
    assert main(["record", "--output-dir", str(tmp_path), "--host", "0.0.0.0", "http://127.0.0.1:9"]) == 1
    assert "--host: 0.0.0.0 is not a loopback address" in capsys.readouterr().err


def test_the_kernel_keeps_little_for_a_client_that_does_not_read():
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 128 * 1024


@pytest.mark.skipif(not CAN_SPREAD, reason="all workers share a socket")
def test_each_worker_has_a_socket_on_the_same_port_which_no_other_server_can_share():
    with binding(Settings(port=0, workers=3)) as sockets:
        (address,) = {each.getsockname() for each in sockets}
        assert len(sockets) == 3
        start_listening(sockets)
        with pytest.raises(RequestError, match="the port is in use"):
            with binding(Settings(port=address[1], workers=3)):
                pass


@pytest.mark.parametrize("workers", [1, 3])
def test_connections_are_refused_until_the_server_is_ready(workers):
    with binding(Settings(port=0, workers=workers)) as sockets:
        address = sockets[0].getsockname()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        start_listening(sockets)
        socket.create_connection(address).close()


@pytest.mark.parametrize("workers", [1, 3])
def test_of_two_servers_that_start_together_one_gets_the_port(workers):
    with binding(Settings(port=0, workers=workers)) as first:
        port = first[0].getsockname()[1]
        with binding(Settings(port=port, workers=workers)) as second:
            start_listening(first)
            with pytest.raises(RequestError, match="the port is in use; choose another one with --port or"):
                start_listening(second)


def test_a_unix_socket_is_for_its_group_and_removed_in_the_end(tmp_path):
    path = tmp_path / "server.sock"
    with binding(Settings(unix_socket=str(path), workers=3)) as (listener,):
        assert path.stat().st_mode & 0o777 == 0o660
        assert url_of(listener) == f"http://unix:{path}:"
    assert not path.exists()


def test_a_unix_socket_that_was_left_behind_is_replaced(tmp_path):
    path = tmp_path / "server.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    with listen_on_path(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_unix_socket_of_a_successor_is_not_removed(tmp_path):
    path = tmp_path / "server.sock"
    with listen_on_path(path):
        path.unlink()
        path.touch()
    assert path.exists()


@pytest.mark.parametrize(
    ("occupy", "reason"),
    [
        (lambda path: path.touch(), "there is another file; remove it"),
        (lambda path: path.mkdir(), "there is another file; remove it"),
        (listen_on_path, "another process listens on it"),
    ],
)
def test_a_path_in_use_has_a_remedy_and_is_not_touched(tmp_path, occupy, reason):
    path = tmp_path / "server.sock"
    occupied = occupy(path)
    if occupied is not None:
        occupied.__enter__()
    try:
        with pytest.raises(RequestError, match=f"{reason}.*choose another path with --unix-socket"):
            with listen_on_path(path):
                pass
        assert path.exists()
    finally:
        if occupied is not None:
            occupied.__exit__(None, None, None)


@pytest.mark.parametrize("name", ["missing/server.sock", "x" * 200])
def test_a_path_that_cannot_be_bound_has_a_remedy(tmp_path, name):
    with pytest.raises(RequestError, match="cannot listen on the Unix socket .*with --unix-socket"):
        with listen_on_path(tmp_path / name):
            pass
