"""SIGHUP: a reload while there is a terminal, or never was one; the end when the terminal is closed."""

import os
import pty
import signal
import subprocess
import sys

PROGRAM = """
import fcntl, signal, sys, termios
from headrace.server.signals import on_hangup

def shut_down():
    print("shut down", flush=True)
    sys.exit()

if len(sys.argv) > 1:
    fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
on_hangup(lambda: print("reload", flush=True), shut_down)
print("ready", flush=True)
while True:
    signal.pause()
"""


def start(*descriptors):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, descriptors)],
        pass_fds=descriptors,
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_closed_terminal_shuts_down_and_any_other_sighup_reloads():
    master, slave = pty.openpty()
    with start(slave) as process:
        os.close(slave)
        printed = [process.stdout.readline()]
        process.send_signal(signal.SIGHUP)
        printed.append(process.stdout.readline())
        os.close(master)
        printed += process.stdout.readlines()

    assert printed == ["ready\n", "reload\n", "shut down\n"]


def test_without_a_terminal_sighup_always_reloads():
    with start() as process:
        printed = [process.stdout.readline()]
        for _ in range(2):
            process.send_signal(signal.SIGHUP)
            printed.append(process.stdout.readline())
        process.kill()

    assert printed == ["ready\n", "reload\n", "reload\n"]
