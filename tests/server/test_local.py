"""Where the server listens, and what is said if it cannot."""

import os
import socket
from pathlib import Path

import pytest

from headrace.cli.main import main
from headrace.errors import RequestError
from headrace.server.local import listen, url_of

NOBODY = 65534
FIRST_FREE = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_ipv6_address_is_told_as_a_url():
    with listen("::1", 0) as listener:
        assert url_of(listener) == f"http://[::1]:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("[::1]", "--host: write ::1 without brackets"),
        ("[::]", "--host: write :: without brackets"),
        ("a..b", "no address is known for a..b; correct --host, or give an address such as 127.0.0.1"),
        ("::g", "no address is known for ::g; correct --host"),
        ("203.0.113.1", "this machine does not have this address; with --host 0.0.0.0"),
    ],
)
def test_an_address_that_cannot_be_used_has_a_remedy(host, reason):
    with pytest.raises(RequestError) as caught:
        listen(host, 0)

    assert reason in caught.value.message


def test_a_port_that_is_taken_is_named_with_what_sets_it(capsys, tmp_path):
    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        reason = f"cannot listen on port {port} of 127.0.0.1: another program uses this port; choose another one with"

        assert main(["serve", "--port", port]) == 1
        assert f"{reason} --port or HEADRACE_PORT, 0 picks a free one" in capsys.readouterr().err
        assert main(["record", "--to", str(tmp_path), "--port", port, "http://127.0.0.1:9"]) == 1
        assert f"{reason} --port, 0 picks a free one" in capsys.readouterr().err


def test_a_port_that_needs_a_permission_has_a_remedy():
    if not FIRST_FREE.exists() or int(FIRST_FREE.read_text()) < 1024:
        pytest.skip("any user may listen on any port here")
    user = os.geteuid()
    os.seteuid(user or NOBODY)
    try:
        with pytest.raises(RequestError, match="permission denied; choose a port above 1023 with --port"):
            listen("127.0.0.1", 1023)
    finally:
        os.seteuid(user)


def test_record_listens_on_this_machine_only(capsys, tmp_path):
    assert main(["record", "--to", str(tmp_path), "--host", "0.0.0.0", "http://127.0.0.1:9"]) == 1
    assert "--host: 0.0.0.0 is not a loopback address" in capsys.readouterr().err
