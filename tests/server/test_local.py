"""Listening sockets, and the messages for addresses and ports that cannot be used."""

import os
import socket
from pathlib import Path

import pytest

from headrace.cli.main import main
from headrace.errors import RequestError
from headrace.server.local import listen, url_of

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
